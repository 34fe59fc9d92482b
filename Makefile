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

LIB_SOURCES := $(shell find reference fast/cpu -name '*.c') $(wildcard fast/hardware/*.c) \
               $(filter-out compare/main.c compare/cli_%.c,$(wildcard compare/*.c))
IO_SOURCES  := $(wildcard compare/io/*.c)
CLI_SOURCES := $(wildcard compare/main.c compare/cli_*.c)
TESTS       := $(filter-out tests/fast/cuda/%,$(shell find tests -name 'test_*.c'))
TEST_PROGRAMS := $(TESTS:%.c=$(BUILD)/%)

LIB_OBJECTS := $(LIB_SOURCES:%.c=$(BUILD)/%.o)
IO_OBJECTS  := $(IO_SOURCES:%.c=$(BUILD)/%.o)
CLI_OBJECTS := $(CLI_SOURCES:%.c=$(BUILD)/%.o)
# The device probe's part for the CPU (inputs, checks, the judge), which it shares with the command and the tests.
PROBE := fast/hardware/probe
PROBE_SHARED := $(patsubst %,$(BUILD)/$(PROBE)/%.o,instructions cases draws points points_sums points_specials)
PROBE_JUDGE  := $(PROBE_SHARED) $(BUILD)/$(PROBE)/judge.o
LIBGLASSBOX := $(BUILD)/libglassbox.a
LIBFILES    := $(BUILD)/libglassbox_files.a

LIB_LIBS  := -lmpfi -lmpfr -lgmp -lpthread -lm
FILE_LIBS := -ljansson -lzip
CLI_LIBS  := -lnettle
CHECK_LIBS = $(shell pkg-config --libs check)

export GLASSBOX := $(BUILD)/glassbox
# A make of its own after setup, since a bare machine has no compiler before it; parallel unless told otherwise.
BUILD_ALL = $(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))

# Not under the sanitizers: nvcc links the probe.
PROBE_PROGRAM := $(if $(findstring sanitize,$(CFLAGS)),,$(if $(shell command -v nvcc),$(BUILD)/glassbox-probe))

all: found $(BUILD)/glassbox $(PROBE_PROGRAM) ## build/glassbox and the libraries; with nvcc the device probe

found:
	@echo "found $(shell command -v $(CC) || echo 'no compiler'): reference, fast/cpu, compare, command line"
	@if command -v nvcc >/dev/null; then echo "found nvcc: the device probe"; \
	else echo "no nvcc: the device probe is skipped"; fi

demo: ## install what is missing, build, judge the real kernels' files in data/real
	@.ci/setup
	@$(BUILD_ALL) -s all
	@.ci/demo $(BUILD)/glassbox $(BUILD)/demo

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(STRICT) $(CFLAGS) $(DEPFLAGS) -I. -c $< -o $@

# The double-double engine lives by its vector loops, bounds and emulation by inlined roundings.
$(BUILD)/fast/%.o: override CFLAGS += -O3
$(BUILD)/reference/number/error.o $(BUILD)/reference/number/error_product.o $(BUILD)/reference/number/emulator.o: override CFLAGS += -O3

$(LIBGLASSBOX): $(LIB_OBJECTS)
	@rm -f $@
	ar rcs $@ $^

$(LIBFILES): $(IO_OBJECTS)
	@rm -f $@
	ar rcs $@ $^

# For other languages: the calls of compare/embed.h, with as much of the library behind them as they need, and no other
# name visible.
SHARED_OBJECTS := $(LIB_SOURCES:%.c=$(BUILD)/shared/%.o)
LIBSHARED := $(BUILD)/libglassbox.so
export GLASSBOX_LIBRARY := $(abspath $(LIBSHARED))

$(BUILD)/shared/fast/%.o: override CFLAGS += -O3
$(BUILD)/shared/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(STRICT) $(CFLAGS) -fPIC $(DEPFLAGS) -I. -c $< -o $@

$(BUILD)/shared/libglassbox.a: $(SHARED_OBJECTS)
	@rm -f $@
	ar rcs $@ $^

$(LIBSHARED): $(BUILD)/shared/libglassbox.a compare/embed.map
	$(CC) $(CFLAGS) -shared -Wl,-soname,libglassbox.so -Wl,--no-undefined -Wl,--version-script=compare/embed.map \
	    -o $@ $(filter $(BUILD)/shared/compare/embed%,$(SHARED_OBJECTS)) $< $(LIB_LIBS)

PYTHON ?= python3
export PYTHON
wheel: $(LIBSHARED) ## the Python package, library inside: build/wheel
	@$(PYTHON) compare/python/backend.py $(BUILD)/wheel

$(BUILD)/glassbox: $(CLI_OBJECTS) $(PROBE_JUDGE) $(LIBFILES) $(LIBGLASSBOX)
	$(CC) $(CFLAGS) -o $@ $(CLI_OBJECTS) $(PROBE_JUDGE) $(LIBFILES) $(LIBGLASSBOX) $(CLI_LIBS) $(FILE_LIBS) $(LIB_LIBS)

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(LIBFILES) $(LIBGLASSBOX)
	$(CC) $(CFLAGS) -o $@ $(filter %.o,$^) $(LIBFILES) $(LIBGLASSBOX) $(CHECK_LIBS) $(TEST_LIBS) $(FILE_LIBS) $(LIB_LIBS)

# Kernels as plug-ins, good and bad. They are strangers: no strict flags, no sanitizers, nothing of ours but plugin.h.
PLUGINS := $(patsubst %.c,$(BUILD)/%.so,$(wildcard tests/compare/plugins/*.c)) \
           $(if $(shell command -v nvcc),$(patsubst %.cu,$(BUILD)/%.so,$(wildcard tests/compare/plugins/*.cu)))

$(BUILD)/tests/compare/plugins/%.so: tests/compare/plugins/%.c compare/plugin.h tests/compare/plugins/access.h tests/compare/plugins/gradients.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE -O2 -g -shared -fPIC -I. $< -o $@ -lm

# But one, which is the reference itself.
$(BUILD)/tests/compare/plugins/reference.so: tests/compare/plugins/reference.c compare/plugin.h $(BUILD)/shared/libglassbox.a
	@mkdir -p $(@D)
	$(CC) $(STRICT) $(CFLAGS) -shared -fPIC -I. $(filter %.c %.a,$^) -o $@ $(LIB_LIBS)

$(BUILD)/tests/compare/plugins/%.so: tests/compare/plugins/%.cu compare/plugin.h
	@mkdir -p $(@D)
	nvcc -O2 -shared -Xcompiler -fPIC -I. $< -o $@

$(BUILD)/tests/compare/test_every_mechanism $(BUILD)/tests/compare/test_plugin $(BUILD)/tests/compare/test_properties $(BUILD)/tests/compare/test_shrink $(BUILD)/tests/compare/test_cli_replay: | \
    $(PLUGINS) $(BUILD)/glassbox

# A GPU's rungs for the command line's tests, by replay.
$(BUILD)/tests/compare/pretended_rungs.so: tests/compare/pretended_rungs.c $(BUILD)/shared/libglassbox.a
	@mkdir -p $(@D)
	$(CC) $(STRICT) $(CFLAGS) -shared -fPIC -I. $^ -o $@ $(LIB_LIBS)
$(BUILD)/tests/compare/test_cli_rungs: | $(BUILD)/glassbox $(BUILD)/tests/compare/pretended_rungs.so

# Reports and the files of studies belong to the command line, not to a library.
$(BUILD)/tests/compare/test_study_sweep: $(BUILD)/compare/cli_study_rows.o
$(BUILD)/tests/compare/test_report: $(filter $(BUILD)/compare/cli_report% %cli_common.o %cli_file.o,$(CLI_OBJECTS))

# Wrong kernels and what the judge says of them.
MUTANT_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(filter-out tests/mutants/ledger.c tests/mutants/diagnosis.c tests/mutants/judge_conventions.c,$(wildcard tests/mutants/*.c)))
$(BUILD)/tests/compare/test_diagnose $(BUILD)/tests/compare/test_diagnose_causes $(BUILD)/tests/compare/test_diagnose_place $(BUILD)/tests/compare/test_shrink $(BUILD)/tests/compare/test_ledger $(BUILD)/tests/compare/test_conventions $(BUILD)/tests/mutants/ledger $(BUILD)/tests/mutants/judge_conventions $(BUILD)/tests/mutants/diagnosis: $(MUTANT_OBJECTS)

ledger: conventions $(BUILD)/tests/mutants/ledger ## every wrong kernel on every case: data/ledger.txt (minutes)
	@$(BUILD)/tests/mutants/ledger $(BUILD)/ledger.csv >$(BUILD)/ledger.txt
	@mv $(BUILD)/ledger.txt data/ledger.txt
	@cat data/ledger.txt

conventions: $(BUILD)/tests/mutants/judge_conventions ## every other convention of a mechanism: data/conventions.txt
	@$< >$(BUILD)/conventions.txt
	@mv $(BUILD)/conventions.txt data/conventions.txt

diagnosis: $(BUILD)/tests/mutants/diagnosis ## what the diagnosis says of wrong kernels: data/diagnosis.txt (minutes)
	@$< >$(BUILD)/diagnosis.txt
	@mv $(BUILD)/diagnosis.txt data/diagnosis.txt
	@tail -n 9 data/diagnosis.txt

STUDIES := tutorials/studies
studies: $(BUILD)/glassbox ## the studies' rows, pictures and pages: tutorials/studies (two minutes; gnuplot)
	@mkdir -p $(STUDIES)
	@for name in $$($< study | sed -n '/^sweeps/,$$s/^  \([a-z-]*\) .*/\1/p'); do \
	    $< study $$name --csv $(STUDIES)/$$name.csv --plot $(STUDIES)/$$name.svg --page $(STUDIES)/$$name.md >/dev/null || exit 1; \
	done

# Programs that tests run.
$(BUILD)/tests/compare/test_stream $(BUILD)/tests/compare/test_cli_replay: | $(BUILD)/tests/compare/stream_program
$(BUILD)/tests/compare/test_vectors: | $(BUILD)/tests/compare/vector_consumer
$(BUILD)/tests/compare/vector_consumer: tests/compare/vector_consumer.c
	@mkdir -p $(@D)
	$(CC) $(STRICT) $(CFLAGS) $< -o $@ -lm

# The device probe: runs where a GPU is, is built where nvcc is (all).
PROBE_OBJECTS := $(PROBE_SHARED) $(patsubst %,$(BUILD)/$(PROBE)/%.o,main batch dump device) $(BUILD)/fast/cpu/threads.o
SM90 := -gencode=arch=compute_90a,code=sm_90a

$(BUILD)/$(PROBE)/kernels.inc: $(PROBE)/kernels.awk $(PROBE)/instructions.c
	@mkdir -p $(@D)
	awk -f $^ >$@.new && mv $@.new $@

$(BUILD)/$(PROBE)/device.o: $(PROBE)/device.cu $(BUILD)/$(PROBE)/kernels.inc $(PROBE)/device.h $(PROBE)/instructions.h
	nvcc -O2 -std=c++17 $(SM90) -I$(@D) -c $< -o $@

$(BUILD)/glassbox-probe: $(PROBE_OBJECTS)
	nvcc $(SM90) -cudart static -Xcompiler -static-libstdc++,-static-libgcc $^ -o $@ -l:libmpfr.a -l:libgmp.a

$(BUILD)/tests/fast/hardware/test_probe_words $(BUILD)/tests/fast/hardware/test_probe_models: $(PROBE_JUDGE) $(BUILD)/compare/cli_probe_words.o
$(BUILD)/tests/compare/test_cli_probe $(BUILD)/tests/compare/test_cli_study: | $(BUILD)/glassbox

# Kernels for GPUs: built where nvcc is, by `make cuda` and `make gpu-check`. wgmma needs sm_90a; the rest runs from
# sm_80 on, on later GPUs through its PTX. What ptxas says of wgmma (C75xx: it serialises, or drops registers' moves) is
# an error, and so are spills.
CUDA_SOURCES := $(wildcard fast/cuda/*.cu)
CUDA_OBJECTS := $(CUDA_SOURCES:%.cu=$(BUILD)/%.o)
CUDA_INCLUDE := -isystem $(dir $(realpath $(shell command -v nvcc)))../include
LIBCUDA := $(BUILD)/libglassbox_cuda.a
SM80 := -gencode=arch=compute_80,code=[sm_80,compute_80] -gencode=arch=compute_90,code=sm_90
GENCODE = $(if $(findstring fused,$<),$(SM90),$(SM80))

$(CUDA_OBJECTS): $(BUILD)/%.o: %.cu
	@mkdir -p $(@D)
	nvcc -O2 -std=c++17 $(GENCODE) -Xptxas -warn-spills -Xcompiler -fPIC,-Wall,-Wextra -MMD -MP -MF $(@:.o=.d) -MT $@ \
	    -c $< -o $@ 2>$@.log; status=$$?; cat $@.log >&2; \
	if [ $$status -ne 0 ] || grep -q 'C75[0-9][0-9]\|spilled' $@.log; then rm -f $@; exit 1; fi

$(LIBCUDA): $(CUDA_OBJECTS)
	@rm -f $@
	ar rcs $@ $^

# Results by way of the host: for tests, and for `glassbox run --numbers cuda:...`, which opens the shared object.
CUDA_HOST := $(BUILD)/fast/cuda/host_run.o
CUDA_HOST_SHARED := $(BUILD)/shared/fast/cuda/host_run.o
LIBCUDA_SHARED := $(BUILD)/libglassbox_cuda.so
$(CUDA_HOST) $(CUDA_HOST_SHARED) $(BUILD)/tests/fast/cuda/%.o: override CFLAGS += $(CUDA_INCLUDE)

$(LIBCUDA_SHARED): $(CUDA_HOST_SHARED) $(CUDA_OBJECTS) $(BUILD)/shared/libglassbox.a fast/cuda/gla_cuda.map
	nvcc -shared -cudart static -Xlinker -soname=$(@F) -Xlinker --no-undefined \
	    -Xlinker --version-script=fast/cuda/gla_cuda.map \
	    -o $@ $(filter %.o %.a,$^) $(LIB_LIBS)

cuda: $(if $(shell command -v nvcc),$(LIBCUDA) $(LIBCUDA_SHARED)) ## libglassbox_cuda.a and .so: the GPU kernels (nvcc)
	@command -v nvcc >/dev/null || echo "no nvcc: the GPU kernels are skipped"

GPU_TESTS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fast/cuda/test_*.c))
$(GPU_TESTS): $(BUILD)/%: $(BUILD)/%.o $(CUDA_HOST) $(LIBCUDA) $(LIBGLASSBOX)
	nvcc -cudart static -o $@ $^ $(CHECK_LIBS) $(LIB_LIBS)
$(BUILD)/tests/fast/cuda/test_cli_cuda $(BUILD)/tests/fast/cuda/test_cuda_install: | $(BUILD)/glassbox $(LIBCUDA_SHARED)

gpu-check: ## the GPU kernels' tests (nvcc); those that need a GPU say so and are skipped without one
	@.ci/setup
	@command -v nvcc >/dev/null || { echo "skipped: no nvcc, so there are no GPU kernels to test"; exit 0; }; \
	$(BUILD_ALL) -s $(GPU_TESTS) && \
	for test in $(GPU_TESTS); do \
	    $$test; status=$$?; \
	    [ $$status -eq 0 ] || [ $$status -eq 77 ] || exit 1; \
	done

gpu-sanitize: $(if $(shell command -v nvcc),$(BUILD)/tests/fast/cuda/test_bits) ## every rung under compute-sanitizer (nvcc, a GPU; minutes)
	@tests/fast/cuda/sanitize $(BUILD)/tests/fast/cuda/test_bits; status=$$?; [ $$status -eq 77 ] || exit $$status

gpu-record: $(BUILD)/glassbox $(if $(shell command -v nvcc),$(LIBCUDA_SHARED)) ## what this GPU returns on small cases, into data/hardware/cuda (nvcc, a GPU)
	@GLASSBOX=$< tests/fast/cuda/record $(BUILD)/record && rm -rf data/hardware/cuda && mv $(BUILD)/record data/hardware/cuda

gpu-bench: $(BUILD)/glassbox $(if $(shell command -v nvcc),$(LIBCUDA_SHARED)) ## how long the GPU kernels take on this GPU, beside what it can do (nvcc, a GPU)
	@$< bench --gpu

gpu-peers: $(if $(shell command -v nvcc),$(LIBCUDA_SHARED)) ## GLA in PyTorch beside fla and softmax attention (a GPU; PyTorch, fla: PYTHON=...)
	@$(PYTHON) tests/bench/peers.py

# The special functions' tables, from a device's words.
MUFU := $(BUILD)/tests/fast/hardware
MUFU_REPLAY := $(addprefix $(MUFU)/,mufu_records.o mufu_replay.o)
$(MUFU)/test_mufu: $(MUFU_REPLAY) $(MUFU)/mufu_fit.o
$(MUFU)/test_gpu_exp: $(MUFU_REPLAY)
$(MUFU)/test_mufu_error: $(MUFU_REPLAY) $(MUFU)/mufu_error.o
$(MUFU)/fit_mufu: $(addprefix $(MUFU)/,mufu_fit.o mufu_records.o)

mufu-tables: $(MUFU)/fit_mufu ## fast/hardware/mufu_tables.c again, from data/hardware/mufu_*_ftz.npz
	@$< >$(BUILD)/mufu_tables.c
	@mv $(BUILD)/mufu_tables.c fast/hardware/mufu_tables.c

# A second oracle, in tests only.
$(BUILD)/tests/compare/test_truth_arb: TEST_LIBS = -lflint-arb -lflint

transcript: all ## what the demo prints, into README.md
	@.ci/transcript

tests: $(TEST_PROGRAMS)

check: ## install what is missing, build, run every suite
	@.ci/setup
	@$(BUILD_ALL) -s all tests $(LIBSHARED)
	@tests/run $(TEST_PROGRAMS) tests/compare/test_python

# The exhaustive versions: all 2^32 conversions of every format and the like. Hours, not minutes.
check-long: all tests ## the exhaustive versions of the suites (hours)
	@GLASSBOX_LONG=1 tests/run $(TEST_PROGRAMS)

# No bytes may crash the file readers: libFuzzer with the address and undefined-behaviour sanitizers. Needs clang.
RUNS ?= 1000000
FUZZ := $(BUILD)/fuzz
FUZZ_SOURCES := $(IO_SOURCES) compare/profiles.c compare/profile_text.c $(shell find reference -name '*.c')

$(FUZZ)/fuzz_%: tests/compare/io/fuzz_%.c $(FUZZ_SOURCES) $(shell find reference compare/io -name '*.h')
	@mkdir -p $(@D)
	clang $(STRICT) -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -I. \
	    $< $(FUZZ_SOURCES) -o $@ $(FILE_LIBS) $(LIB_LIBS)

fuzz: $(FUZZ)/fuzz_tensors $(BUILD)/tests/compare/io/fuzz_seeds ## hostile files into the readers: RUNS=1000000 (clang)
	@mkdir -p $(FUZZ)/corpus
	$(BUILD)/tests/compare/io/fuzz_seeds $(FUZZ)/corpus
	$< -runs=$(RUNS) -max_len=4500 -dict=tests/compare/io/fuzz.dict -artifact_prefix=$(FUZZ)/ \
	    -print_final_stats=1 $(FUZZ)/corpus

# Seeds: a stream of two frames as it is, behind an odd byte; eight frames whose lengths are put right, behind an even
# one, each behind its length / 8. An input holds several frames: the last line says how many were read in all.
fuzz-stream: $(FUZZ)/fuzz_stream $(BUILD)/glassbox ## hostile streams of frames: RUNS=1000000 (clang)
	@mkdir -p $(FUZZ)/streams
	@$(BUILD)/glassbox gen --stream --n 2 --T 2 --H 2 --dk 4 --dv 4 >$(FUZZ)/two
	@{ printf '\1'; cat $(FUZZ)/two; } >$(FUZZ)/streams/raw
	@$(BUILD)/glassbox gen -o $(FUZZ)/one --T 2 --H 1 --dk 2 --dv 2 --forward >/dev/null
	@for f in $(FUZZ)/one/*; do \
	    { printf '\0'; for n in 1 2 3 4 5 6 7 8; do printf "\\$$(printf %o $$(($$(stat -c %s $$f) / 8)))"; cat $$f; done; \
	    } >$(FUZZ)/streams/framed; \
	done
	$< -runs=$(RUNS) -max_len=4500 -dict=tests/compare/io/fuzz.dict -artifact_prefix=$(FUZZ)/ \
	    -print_final_stats=1 $(FUZZ)/streams

# The same bytes every time, until families, truth or bounds change: then look at what changed, and commit it.
vectors: $(BUILD)/glassbox ## data/vectors/v1 again
	rm -rf data/vectors/v1
	$(BUILD)/glassbox vectors make data/vectors/v1

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
bench: all $(BUILD)/tests/bench/bench_arb $(BUILD)/tests/compare/plugins/gradients.so ## time and memory of truth and verdicts (minutes)
	@$(BUILD)/glassbox bench --arb $(BUILD)/tests/bench/bench_arb --plugin $(BUILD)/tests/compare/plugins/gradients.so

# The headers keep their tree, so that they find each other: #include <glassbox/reference/glassbox.h>
PUBLIC_HEADERS := $(shell find reference -name '*.h') \
                  $(filter-out %/hardware_name.h %/tensor_core_block.h %/mufu_unit.h,$(wildcard fast/hardware/*.h)) \
                  $(filter-out compare/cli% compare/judge_rung.h,$(wildcard compare/*.h)) \
                  compare/io/case.h compare/io/checkpoint.h compare/io/profile_file.h compare/io/stream.h compare/io/tensors.h
PACKAGE := compare/package
FILL_IN = sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@LIB_LIBS@|$(LIB_LIBS)|' \
              -e 's|@FILE_LIBS@|$(FILE_LIBS)|'
install: all ## install program, libraries (the GPU kernels too, after make cuda), headers, man pages, pkg-config and CMake files: PREFIX=/usr/local DESTDIR=
	install -d $(addprefix $(DESTDIR)$(PREFIX)/,bin lib/pkgconfig lib/cmake/glassbox share/man/man1)
	install -m 755 $(BUILD)/glassbox $(PROBE_PROGRAM) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(LIBGLASSBOX) $(LIBFILES) $(DESTDIR)$(PREFIX)/lib
	@for header in $(PUBLIC_HEADERS); do \
	    install -D -m 644 $$header $(DESTDIR)$(PREFIX)/include/glassbox/$$header || exit 1; \
	done
	$(FILL_IN) $(PACKAGE)/glassbox.pc.in >$(DESTDIR)$(PREFIX)/lib/pkgconfig/glassbox.pc
	@[ ! -f $(LIBCUDA) ] || [ ! -f $(LIBCUDA_SHARED) ] || { \
	    install -m 644 $(LIBCUDA) $(LIBCUDA_SHARED) $(DESTDIR)$(PREFIX)/lib && \
	    install -D -m 644 fast/cuda/gla_cuda.h $(DESTDIR)$(PREFIX)/include/glassbox/fast/cuda/gla_cuda.h && \
	    $(FILL_IN) $(PACKAGE)/glassbox-cuda.pc.in >$(DESTDIR)$(PREFIX)/lib/pkgconfig/glassbox-cuda.pc; }
	@for page in $(PACKAGE)/glassbox.1.in $(PACKAGE)/man/*.1.in; do \
	    $(FILL_IN) $$page >$(DESTDIR)$(PREFIX)/share/man/man1/$$(basename $$page .in) || exit 1; \
	done
	$(FILL_IN) $(PACKAGE)/glassboxConfigVersion.cmake.in \
	    >$(DESTDIR)$(PREFIX)/lib/cmake/glassbox/glassboxConfigVersion.cmake
	install -m 644 $(PACKAGE)/glassboxConfig.cmake $(DESTDIR)$(PREFIX)/lib/cmake/glassbox

man: $(BUILD)/glassbox ## a manual page per command from its --help, into compare/package/man (help2man)
	@rm -rf $(PACKAGE)/man
	@$(PACKAGE)/make_man $< $(PACKAGE)/man

format: ## lay the sources out by .clang-format
	clang-format -i $(shell find reference fast compare tests -name '*.[ch]')

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1 /p' Makefile | while read -r name what; do printf '%-15s %s\n' "$$name" "$$what"; done

clean: ## remove build/
	rm -rf $(BUILD)

.PHONY: all studies cuda gpu-check gpu-sanitize gpu-record gpu-bench gpu-peers man mufu-tables transcript found demo tests check check-long check-asan check-valgrind bench install format help fuzz fuzz-stream vectors ledger conventions diagnosis wheel clean
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
