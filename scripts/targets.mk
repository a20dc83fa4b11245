# What can be asked for beside the programs themselves. Included by the Makefile; B and V are its folder and variant.
PREFIX ?= /usr/local
JOBS   ?= $(shell nproc 2>/dev/null || echo 2)
CLANG  ?= clang-14
FUZZ_SECONDS ?= 60
DEMO_CUSTOMERS ?= 20400

## help        this list
help:
	@echo 'make               build/release/dmfsync and build/release/dmfsync-emulator'
	@sed -n 's/^## /make /p' scripts/targets.mk
	@echo 'V=debug|asan|tsan|fault|cov builds the variant in a folder of its own; B=FOLDER puts it elsewhere.'

## demo        the main job against the emulator, from nothing: DEMO_CUSTOMERS=20400
demo:
	@scripts/bootstrap
	@+$(MAKE) --no-print-directory -j$(JOBS) all build/release/gen_sources
	@DEMO_CUSTOMERS=$(DEMO_CUSTOMERS) scripts/demo/run

## test        everything CI runs: builds, unit tests (also under sanitizers), command line, layers, format
test:
	@scripts/bootstrap
	@scripts/run_tests test

## asan        unit tests and command-line tests under the address and undefined-behaviour sanitizers
asan:
	@scripts/bootstrap
	@scripts/run_tests asan

## tsan        the same under the thread sanitizer
tsan:
	@scripts/bootstrap
	@scripts/run_tests tsan

## soak        the long matrices: every kill point, all seeds (DMFSYNC_SOAK=1 for tests/cli/*.sh)
soak:
	@scripts/bootstrap
	@scripts/run_tests soak

## integration uploads against Azurite, the storage vendor's emulator, from the npm registry (not part of make test)
integration:
	@scripts/bootstrap
	@+$(MAKE) --no-print-directory -j$(JOBS) build/release/integration/blob_azurite
	@scripts/integration

## fuzz        each fuzz target for FUZZ_SECONDS=60, beginning with its corpus
fuzz:
	@scripts/bootstrap
	@+$(MAKE) --no-print-directory -j$(JOBS) V=fuzz CC=$(CLANG) CFLAGS='$(CFLAGS) -Wno-unknown-warning-option' fuzz-bin
	@set -e; for f in $(FUZZ); do \
	    mkdir -p build/fuzz/corpus/$$f tests/fuzz/corpus/$$f; \
	    echo "fuzz: $$f for $(FUZZ_SECONDS) s"; \
	    build/fuzz/fuzz/$$f -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=2048 -timeout=20 -print_final_stats=1 \
	        -artifact_prefix=build/fuzz/ build/fuzz/corpus/$$f tests/fuzz/corpus/$$f 2>build/fuzz/$$f.log \
	        || { tail -40 build/fuzz/$$f.log; exit 1; }; \
	done; echo "fuzz: nothing found"

## bench       time and peak memory of the main job at two sizes, and their ratio
bench:
	@scripts/bootstrap
	@+$(MAKE) --no-print-directory -j$(JOBS) all build/release/gen_sources build/release/gen_rows build/release/gen_sides build/release/measure build/release/bench_dv
	@scripts/bench

## install     programs, manual page and documents under DESTDIR and PREFIX=/usr/local
install: all $(B)/dmfsync.so
	install -d $(DESTDIR)$(PREFIX)/lib/dmfsync
	install -m 755 $(B)/dmfsync.so $(DESTDIR)$(PREFIX)/lib/dmfsync/
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/doc/dmfsync
	install -m 755 $(B)/dmfsync $(B)/dmfsync-emulator $(DESTDIR)$(PREFIX)/bin/
	$(B)/dmfsync help --manual >$(B)/dmfsync.1
	install -m 644 $(B)/dmfsync.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	for u in scripts/systemd/*; do \
	    sed 's|/usr/local/bin|$(PREFIX)/bin|' "$$u" >"$(DESTDIR)$(PREFIX)/lib/systemd/system/$${u##*/}" || exit 1; done
	install -d $(DESTDIR)$(PREFIX)/share/doc/dmfsync/examples
	install -m 644 scripts/cron/dmfsync.crontab $(DESTDIR)$(PREFIX)/share/doc/dmfsync/examples/
	install -m 644 LICENSE $(wildcard README.md CHANGELOG.md docs/*.md) $(DESTDIR)$(PREFIX)/share/doc/dmfsync/

## layers      fails when a folder includes upward
layers:
	@scripts/check_layers.sh

## format-check  fails when a file is not as clang-format 14 would have it; make format changes it
format-check:
	@scripts/check_format.sh
format:
	@scripts/check_format.sh --fix

## docs        renews the generated part of docs/commands.md
docs: $(B)/dmfsync
	@scripts/gen_docs $(B)/dmfsync docs/commands.md

## compile-check  every source file through clang as well
CHECKED := $(sort main.c $(wildcard packages/*/*.c loader/*.c sync/*.c tests/unit/*.c tests/emulator/*.c tests/fuzz/*.c tests/data/*.c tests/integration/*.c tests/model/*.c))
compile-check: $(CHECKED:%.c=$(B)/clang/%.ok)
$(B)/clang/packages/%.ok:       CLANG_INC := -Ipackages
$(B)/clang/tests/emulator/%.ok: CLANG_INC := -Ipackages -Itests/emulator
$(B)/clang/tests/data/%.ok:     CLANG_INC := -Ipackages -Itests/emulator
$(B)/clang/%.ok: CLANG_INC ?= -Ipackages -I. -Itests -Itests/unit -Itests/integration
$(B)/clang/%.ok: %.c
	@mkdir -p $(@D)
	@$(CLANG) $(filter-out $(MODE_$(V)),$(FLAGS)) -Wno-unknown-warning-option $(CLANG_INC) -fsyntax-only -MMD -MP -MT $@ -MF $(@:.ok=.d) $<
	@touch $@

# Helpers of demo, tests and bench; they share nothing with the program.
$(B)/gen_sources $(B)/gen_rows $(B)/gen_sides $(B)/measure: $(B)/%: tests/data/%.c $(B)/flags
	@mkdir -p $(@D)
	$(SAY)LD $@
	$(Q)$(CC) $(FLAGS) $(LDFLAGS) -o $@ $<

# The bulk writer alone, against the emulator (scripts/bench_limits).
$(B)/tests/data/%.o: INC := -Ipackages -Itests/emulator
$(B)/bench_dv: $(B)/tests/data/bench_dv.o $(B)/tests/emulator/shared_clock.o $(PKG) $(SQL_OBJ)
	$(SAY)LD $@
	$(Q)$(CC) $(FLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# Preloaded by tests of what happens over weeks. Without the variant's own flags: it goes into whatever is tested.
$(B)/clock_shift.so: tests/data/clock_shift.c $(B)/flags
	@mkdir -p $(@D)
	$(SAY)LD $@
	$(Q)$(CC) -std=c17 -D_GNU_SOURCE $(WARN) -O2 -fPIC -shared -o $@ $< -ldl

clean:
	rm -rf build

.PHONY: help demo test asan tsan soak integration fuzz bench install layers format-check format docs compile-check clean
