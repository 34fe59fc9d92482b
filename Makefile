# Glassbox. `make demo` = install what is missing, build, judge a real kernel's file. `make check` = the tests.
# Everything lands in build/. `make help` lists the targets.

BUILD   ?= build
CC      ?= cc
CFLAGS  ?= -O2 -g
PREFIX  ?= /usr/local
DESTDIR ?=
VERSION := $(shell sed -n 's/^.define GLASSBOX_VERSION "\(.*\)"/\1/p' compare/cli.h)
STRICT := -std=c11 -D_GNU_SOURCE -ffp-contract=off -fno-fast-math -Wall -Wextra -Wconversion -Wno-unused-parameter
DEPFLAGS = -MMD -MP

LIB_SOURCES := $(shell find reference fast/cpu -name '*.c') \
               $(filter-out compare/main.c compare/cli_%.c,$(wildcard compare/*.c))
IO_SOURCES  := $(wildcard compare/io/*.c)
CLI_SOURCES := $(wildcard compare/main.c compare/cli_*.c)
TESTS       := $(shell find tests -name 'test_*.c')
TEST_PROGRAMS := $(TESTS:%.c=$(BUILD)/%)

LIB_OBJECTS := $(LIB_SOURCES:%.c=$(BUILD)/%.o)
IO_OBJECTS  := $(IO_SOURCES:%.c=$(BUILD)/%.o)
CLI_OBJECTS := $(CLI_SOURCES:%.c=$(BUILD)/%.o)
LIBGLASSBOX := $(BUILD)/libglassbox.a
LIBFILES    := $(BUILD)/libglassbox_files.a

LIB_LIBS  := -lmpfi -lmpfr -lgmp -lpthread -lm
FILE_LIBS := -ljansson -lzip
CHECK_LIBS = $(shell pkg-config --libs check)

export GLASSBOX := $(BUILD)/glassbox
# A make of its own after setup, since a bare machine has no compiler before it; parallel unless told otherwise.
BUILD_ALL = $(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))

all: found $(BUILD)/glassbox ## build/glassbox and the libraries

found:
	@echo "found $(shell command -v $(CC) || echo 'no compiler'): reference, fast/cpu, compare, command line"
	@if command -v nvcc >/dev/null; then echo "found nvcc: CUDA lanes come with fast/cuda, nothing to build yet"; \
	else echo "no nvcc: CUDA lanes are skipped"; fi

demo: ## install what is missing, build, judge the real kernels' files in data/real
	@.ci/setup
	@$(BUILD_ALL) -s all
	@.ci/demo $(BUILD)/glassbox $(BUILD)/demo

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(STRICT) $(CFLAGS) $(DEPFLAGS) -I. -c $< -o $@

# The double-double engine lives by its vector loops.
$(BUILD)/fast/cpu/%.o: override CFLAGS += -O3

$(LIBGLASSBOX): $(LIB_OBJECTS)
	@rm -f $@
	ar rcs $@ $^

$(LIBFILES): $(IO_OBJECTS)
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/glassbox: $(CLI_OBJECTS) $(LIBFILES) $(LIBGLASSBOX)
	$(CC) $(CFLAGS) -o $@ $(CLI_OBJECTS) $(LIBFILES) $(LIBGLASSBOX) $(FILE_LIBS) $(LIB_LIBS)

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(LIBFILES) $(LIBGLASSBOX)
	$(CC) $(CFLAGS) -o $@ $(filter %.o,$^) $(LIBFILES) $(LIBGLASSBOX) $(CHECK_LIBS) $(TEST_LIBS) $(FILE_LIBS) $(LIB_LIBS)

# Reports belong to the command line, not to a library.
$(BUILD)/tests/compare/test_report: $(filter $(BUILD)/compare/cli_report% %cli_common.o %cli_file.o,$(CLI_OBJECTS))

# A second oracle, in tests only.
$(BUILD)/tests/compare/test_truth_arb: TEST_LIBS = -lflint-arb -lflint

transcript: all ## what the demo prints, into README.md
	@.ci/transcript

tests: $(TEST_PROGRAMS)

check: ## install what is missing, build, run every suite
	@.ci/setup
	@$(BUILD_ALL) -s all tests
	@tests/run $(TEST_PROGRAMS)

# The exhaustive versions: all 2^32 conversions of every format and the like. Hours, not minutes.
check-long: all tests ## the exhaustive versions of the suites (hours)
	@GLASSBOX_LONG=1 tests/run $(TEST_PROGRAMS)

# No bytes may crash the file readers: libFuzzer with the address and undefined-behaviour sanitizers. Needs clang.
RUNS ?= 1000000
FUZZ := $(BUILD)/fuzz
FUZZ_SOURCES := tests/compare/io/fuzz_tensors.c $(IO_SOURCES) $(shell find reference -name '*.c')

$(FUZZ)/fuzz_tensors: $(FUZZ_SOURCES) $(shell find reference compare/io -name '*.h')
	@mkdir -p $(@D)
	clang $(STRICT) -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -I. \
	    $(FUZZ_SOURCES) -o $@ $(FILE_LIBS) $(LIB_LIBS)

fuzz: $(FUZZ)/fuzz_tensors $(BUILD)/tests/compare/io/fuzz_seeds ## hostile files into the readers: RUNS=1000000 (clang)
	@mkdir -p $(FUZZ)/corpus
	$(BUILD)/tests/compare/io/fuzz_seeds $(FUZZ)/corpus
	$< -runs=$(RUNS) -max_len=4500 -dict=tests/compare/io/fuzz.dict -artifact_prefix=$(FUZZ)/ \
	    -print_final_stats=1 $(FUZZ)/corpus

# Everything again under AddressSanitizer and UndefinedBehaviorSanitizer; Check's time limits grow with it.
SANITIZE := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
check-asan: ## the suites under ASan and UBSan, in build/asan
	@$(BUILD_ALL) BUILD=$(BUILD)/asan CFLAGS="$(SANITIZE)" all tests
	@GLASSBOX=$(BUILD)/asan/glassbox CK_TIMEOUT_MULTIPLIER=10 tests/run $(TESTS:%.c=$(BUILD)/asan/%)

# valgrind is 30 times slower: the small suites only, in one process each.
VALGRIND_TESTS := $(addprefix $(BUILD)/tests/,reference/test_form reference/test_problem compare/io/test_case)
check-valgrind: $(VALGRIND_TESTS) ## the small suites under valgrind
	@for test in $^; do \
	    CK_FORK=no CK_TIMEOUT_MULTIPLIER=30 valgrind -q --leak-check=full --errors-for-leak-kinds=definite \
	        --error-exitcode=9 $$test || exit 1; \
	done

$(BUILD)/tests/bench/bench_arb: TEST_LIBS = -lflint-arb -lflint
bench: all $(BUILD)/tests/bench/bench_arb ## time and memory of certified truth (minutes)
	@$(BUILD)/glassbox bench --arb $(BUILD)/tests/bench/bench_arb

# The headers keep their tree, so that they find each other: #include <glassbox/reference/glassbox.h>
PUBLIC_HEADERS := $(shell find reference -name '*.h') compare/cases.h compare/draw.h compare/judge.h \
                  compare/profiles.h compare/truth.h compare/io/case.h compare/io/tensors.h
install: all ## install program, libraries, headers, pkg-config file: PREFIX=/usr/local DESTDIR=
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pkgconfig
	install -m 755 $(BUILD)/glassbox $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(LIBGLASSBOX) $(LIBFILES) $(DESTDIR)$(PREFIX)/lib
	@for header in $(PUBLIC_HEADERS); do \
	    install -D -m 644 $$header $(DESTDIR)$(PREFIX)/include/glassbox/$$header || exit 1; \
	done
	@printf '%s\n' 'prefix=$(PREFIX)' 'Name: glassbox' \
	    'Description: reference and test oracle for Gated Linear Attention' 'Version: $(VERSION)' \
	    'Cflags: -I$${prefix}/include' \
	    'Libs: -L$${prefix}/lib -lglassbox_files -lglassbox $(FILE_LIBS) $(LIB_LIBS)' \
	    >$(DESTDIR)$(PREFIX)/lib/pkgconfig/glassbox.pc

format: ## lay the sources out by .clang-format
	clang-format -i $(shell find reference fast compare tests -name '*.[ch]')

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1 /p' Makefile | while read -r name what; do printf '%-15s %s\n' "$$name" "$$what"; done

clean: ## remove build/
	rm -rf $(BUILD)

.PHONY: all transcript found demo tests check check-long check-asan check-valgrind bench install format help fuzz clean
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
