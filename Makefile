# dmfsync: one flat Makefile, safe with -j. `make help` lists the targets.
V   ?= release
B   := build/$(V)
CC  ?= gcc

MODE_release := -O2 -g
MODE_debug   := -O0 -g3
MODE_asan    := -O1 -g3 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
MODE_tsan    := -O1 -g3 -fsanitize=thread -fno-omit-frame-pointer
MODE_fault   := -O1 -g -DDMFSYNC_FAULT
MODE_fuzz    := -O1 -g3 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
MODE_cov     := -O0 -g --coverage

# A faster deflate where it is installed; zlib otherwise (make ISAL= builds without).
ISAL := $(shell pkg-config --exists libisal 2>/dev/null && echo libisal)
DEPS := libzip zlib $(ISAL) libcurl libzstd sqlite3 yajl libxml-2.0 inih libxxhash libutf8proc libcrypto
EMU_DEPS := libmicrohttpd sqlite3 yajl libxml-2.0 libzip
# `make VERBOSE=1` shows the command lines.
Q   := $(if $(VERBOSE),,@)
SAY := @echo '  '
# clang does not know gcc's truncation warnings; ours are meant (messages are cut).
NO_TRUNC := $(if $(findstring clang,$(CC)),,-Wno-format-truncation)
WARN := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wvla $(NO_TRUNC) -Werror
PKG_CFLAGS := $(shell pkg-config --cflags $(DEPS) libmicrohttpd cmocka 2>/dev/null)
FLAGS = -std=c17 -D_GNU_SOURCE -ffile-prefix-map=$(CURDIR)=. $(WARN) $(MODE_$(V)) $(if $(ISAL),-DHAVE_ISAL) $(PKG_CFLAGS) $(CFLAGS)
LDLIBS     := $(shell pkg-config --libs $(DEPS) 2>/dev/null) -lcsv -lpthread -lm
EMU_LDLIBS := $(shell pkg-config --libs $(EMU_DEPS) 2>/dev/null) -lcrypto -lpthread -lm

objs     = $(patsubst %.c,$(B)/%.o,$(sort $(wildcard $(1))))
PKG     := $(call objs,packages/*/*.c)
LOADER  := $(call objs,loader/*.c)
SYNC    := $(call objs,sync/*.c)
BASE    := $(call objs,packages/base/*.c)
EMU     := $(call objs,tests/emulator/*.c) $(B)/gen/emu_tenant.o
SQL_SRC := $(sort $(wildcard packages/*/*.sql loader/*.sql sync/*.sql))
SQL_OBJ := $(patsubst %.sql,$(B)/gen/%.sql.o,$(SQL_SRC)) \
           $(patsubst %.csv,$(B)/gen/%.csv.o,$(sort $(wildcard packages/*/*.csv))) \
           $(patsubst %.css,$(B)/gen/%.css.o,$(sort $(wildcard sync/*.css)))
UNIT    := $(patsubst tests/unit/%.c,%,$(sort $(wildcard tests/unit/test_*.c)))
FUZZ    := $(patsubst tests/fuzz/%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))

.DEFAULT_GOAL := all
all: $(B)/dmfsync $(B)/dmfsync-emulator

$(B)/dmfsync: $(B)/main.o $(SYNC) $(LOADER) $(PKG) $(SQL_OBJ)
	$(SAY)LD $@
	$(Q)$(CC) $(FLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(B)/dmfsync-emulator: $(EMU) $(BASE)
	$(SAY)LD $@
	$(Q)$(CC) $(FLAGS) $(LDFLAGS) -o $@ $^ $(EMU_LDLIBS)

# The include path of a folder is the first guard of the layers (scripts/check_layers.sh is the second).
$(B)/packages/%.o:       INC := -Ipackages
$(B)/loader/%.o:         INC := -Ipackages -I.
$(B)/sync/%.o:           INC := -Ipackages -I.
$(B)/main.o:             INC := -Ipackages -I.
$(B)/tests/emulator/%.o: INC := -Ipackages -Itests/emulator
$(B)/tests/unit/%.o:     INC := -Ipackages -I. -Itests -Itests/unit
$(B)/tests/fuzz/%.o:     INC := -Ipackages -I. -Itests
$(B)/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(SAY)CC $<
	$(Q)$(CC) $(FLAGS) $(INC) -MMD -MP -c -o $@ $<
# Where every octet of every row passes.
ifeq ($(V),release)
$(B)/packages/data/csv_scan.o $(B)/packages/data/canon_quick.o $(B)/packages/data/digest.o $(B)/sync/file_side.o: FLAGS += -O3
endif
$(B)/flags: FORCE
	@mkdir -p $(@D); echo '$(CC) $(FLAGS)' | cmp -s - $@ || echo '$(CC) $(FLAGS)' >$@

# The loadable extension for SQLite: the same leaf files and their modules, position-independent, with the host's SQLite.
EXT := $(patsubst %.c,$(B)/ext/%.o,$(sort $(wildcard packages/base/*.c packages/data/*.c packages/store/*.c)) sync/sql_views.c)
$(B)/ext/packages/%.o: INC := -Ipackages
$(B)/ext/%.o: INC ?= -Ipackages -I.
$(B)/ext/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(SAY)CC $< '(extension)'
	$(Q)$(CC) $(FLAGS) -fPIC -fvisibility=hidden -ffunction-sections -DDMFSYNC_EXTENSION $(INC) -MMD -MP -c -o $@ $<
$(B)/dmfsync.so: $(EXT)
	$(SAY)LD $@
	$(Q)$(CC) $(FLAGS) $(LDFLAGS) -shared -Wl,--gc-sections,--as-needed,-z,defs -o $@ $^ $(LDLIBS)

# Schemas are .sql files, embedded as `const char sql_<name>[]`, so that they also run in the sqlite3 shell.
$(B)/gen/%.sql.c: %.sql scripts/text2c.awk
	@mkdir -p $(@D); awk -v name=sql_$(basename $(notdir $*)) -f scripts/text2c.awk $< >$@
$(B)/gen/%.sql.o: $(B)/gen/%.sql.c $(B)/flags
	$(Q)$(CC) $(FLAGS) -c -o $@ $<
# Lists of facts are .csv files, embedded as `const char csv_<name>[]`.
$(B)/gen/%.csv.c: %.csv scripts/text2c.awk
	@mkdir -p $(@D); awk -v name=csv_$(basename $(notdir $*)) -f scripts/text2c.awk $< >$@
$(B)/gen/%.csv.o: $(B)/gen/%.csv.c $(B)/flags
	$(Q)$(CC) $(FLAGS) -c -o $@ $<
# The style sheet of `report` is a .css file, embedded as `const char css_<name>[]`.
$(B)/gen/%.css.c: %.css scripts/text2c.awk
	@mkdir -p $(@D); awk -v name=css_$(basename $(notdir $*)) -f scripts/text2c.awk $< >$@
$(B)/gen/%.css.o: $(B)/gen/%.css.c $(B)/flags
	$(Q)$(CC) $(FLAGS) -c -o $@ $<
$(B)/gen/emu_tenant.c: tests/emulator/tenant.json scripts/text2c.awk
	@mkdir -p $(@D); awk -v name=emu_tenant_json -f scripts/text2c.awk $< >$@
$(B)/gen/emu_tenant.o: $(B)/gen/emu_tenant.c $(B)/flags
	$(Q)$(CC) $(FLAGS) -c -o $@ $<

$(B)/tests/integration/%.o: INC := -Ipackages -I. -Itests -Itests/unit -Itests/integration
$(B)/tests/model/%.o: INC := -Ipackages
$(B)/integration/%: $(B)/tests/integration/%.o $(LOADER) $(SYNC) $(PKG) $(SQL_OBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) $(FLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka

# Models of the whole program: they drive the binaries and read what these leave behind.
$(B)/model/%: $(B)/tests/model/%.o $(PKG) $(SQL_OBJ)
	@mkdir -p $(@D)
	$(SAY)LD $@
	$(Q)$(CC) $(FLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# Unit tests link everything except main.o; a run gets an empty folder of its own.
$(B)/unit/%: $(B)/tests/unit/%.o $(SYNC) $(LOADER) $(PKG) $(SQL_OBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) $(FLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka
$(B)/run/%.ok: $(B)/unit/%
	@rm -rf $(@:.ok=.dir); mkdir -p $(@:.ok=.dir)
	cd $(@:.ok=.dir) && DMFSYNC_ROOT=$(CURDIR) $(CURDIR)/$< >../$*.log 2>&1 || { cat ../$*.log; exit 1; }
	@touch $@
unit: $(UNIT:%=$(B)/run/%.ok)
unit-bin: $(UNIT:%=$(B)/unit/%)

$(B)/fuzz/%: $(B)/tests/fuzz/%.o $(SYNC) $(LOADER) $(PKG) $(SQL_OBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) $(FLAGS) -fsanitize=fuzzer $(LDFLAGS) -o $@ $^ $(LDLIBS)
fuzz-bin: $(FUZZ:%=$(B)/fuzz/%)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
-include scripts/targets.mk
FORCE:
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all unit unit-bin fuzz-bin FORCE
