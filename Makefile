# Glassbox. `make demo` = install what is missing, build, judge a real kernel's file. `make check` = the tests.
# Everything lands in build/. `make help` lists the targets.

BUILD  ?= build
CC     ?= cc
CFLAGS ?= -O2 -g
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

all: $(BUILD)/glassbox

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(STRICT) $(CFLAGS) $(DEPFLAGS) -I. -c $< -o $@

# The double-double engine lives by its vector loops.
$(BUILD)/fast/cpu/%.o: CFLAGS += -O3

$(LIBGLASSBOX): $(LIB_OBJECTS)
	@rm -f $@
	ar rcs $@ $^

$(LIBFILES): $(IO_OBJECTS)
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/glassbox: $(CLI_OBJECTS) $(LIBFILES) $(LIBGLASSBOX)
	$(CC) $(CFLAGS) -o $@ $(CLI_OBJECTS) $(LIBFILES) $(LIBGLASSBOX) $(FILE_LIBS) $(LIB_LIBS)

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(LIBFILES) $(LIBGLASSBOX)
	$(CC) $(CFLAGS) -o $@ $< $(LIBFILES) $(LIBGLASSBOX) $(CHECK_LIBS) $(TEST_LIBS) $(FILE_LIBS) $(LIB_LIBS)

# A second oracle, in tests only.
$(BUILD)/tests/compare/test_truth_arb: TEST_LIBS = -lflint-arb -lflint

tests: $(TEST_PROGRAMS)

check: all tests
	@tests/run $(TEST_PROGRAMS)

# The exhaustive versions: all 2^32 conversions of every format and the like. Hours, not minutes.
check-long: all tests
	@GLASSBOX_LONG=1 tests/run $(TEST_PROGRAMS)

clean:
	rm -rf $(BUILD)

.PHONY: all tests check check-long clean
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
