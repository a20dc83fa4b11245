/* The version of this program: in --version, the user agent, the catalog and the reports. */
#include "cli/command.h"

const char DMFSYNC_VERSION[] = "0.1.0";
