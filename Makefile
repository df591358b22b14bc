# kio: its shared objects (kio/core.so, kio/http/core.so, ...) in several flavours, each below
# build/<flavour>/.

ifeq ($(origin CC),default)
CC    := gcc
endif
CLANG ?= clang
JOBS  ?= $(shell nproc)

LUA_CFLAGS := $(shell pkg-config --cflags lua5.4 2>/dev/null || echo -I/usr/include/lua5.4)
WARNINGS   := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes $(if $(WERROR),-Werror)
KIO_CFLAGS  = -std=c11 -D_GNU_SOURCE -fPIC -fvisibility=hidden -pthread $(WARNINGS) \
              -Icsrc $(LUA_CFLAGS)
KIO_LIBS   := -Wl,--as-needed -luring -pthread

# Guests: shared objects of their own, from a folder each, made where their library is.
GUESTS    := http tls zlib
has_http  := yes
has_tls   := $(shell pkg-config --exists 'openssl >= 3' 2>/dev/null && echo yes)
libs_tls  := $(if $(has_tls),$(shell pkg-config --libs openssl)) -ldl
has_zlib  := $(shell pkg-config --exists zlib 2>/dev/null && echo yes)
libs_zlib := -lz
HERE      := $(foreach g,$(GUESTS),$(if $(has_$g),$g))

# What each flavour adds. kio_assert stays on in all of them. -g1 is enough for the lines in a
# sanitizer's report, and takes a quarter less time.
FLAVOURS      := release test asan tsan hostile fuzz lua55
flags_release := -O2 -g
flags_test    := -O1 -g1 -DKIO_TEST
flags_asan    := -O1 -g1 -DKIO_TEST -fno-omit-frame-pointer -fsanitize=address,undefined \
                 -fno-sanitize-recover=undefined
flags_tsan    := -O1 -g1 -DKIO_TEST -fno-omit-frame-pointer -fsanitize=thread
flags_fuzz    := -O1 -g -DKIO_TEST -fno-omit-frame-pointer -fno-sanitize-recover=undefined \
                 -fsanitize=fuzzer-no-link,address,undefined
flags_hostile := $(flags_test) -DKIO_HOSTILE
flags_lua55   := $(flags_test)
# These differ from `test` in a header: an object that has not read it is the one of `test`.
header_hostile := base/config.h
header_lua55   := /lua.h
# Under a sanitizer the object stays mapped when Lua closes it, so that reports can name its lines.
link_asan     := -Wl,-z,nodelete
link_tsan     := -Wl,-z,nodelete

# What only specs need, the simulated ring among it, is in every flavour but release.
GUEST_FILES  := $(wildcard $(GUESTS:%=csrc/%/*.c))
SOURCES      := $(filter-out $(GUEST_FILES),$(wildcard csrc/*.c csrc/*/*.c))
TEST_SOURCES := $(wildcard csrc/test/*.c)
UNITS        := $(wildcard spec/c/*.c)
TARGETS      := $(filter-out spec/fuzz/replay.c,$(wildcard spec/fuzz/*.c))
sources       = $(if $(filter release,$1),$(filter-out $(TEST_SOURCES),$(SOURCES)),$(SOURCES))
objects       = $(patsubst csrc/%.c,build/$1/obj/%.o,$(call sources,$1))
# Of a flavour and a guest; of a flavour and all guests that are made.
guest_sources = $(filter-out $(if $(filter release,$1),csrc/$2/test_%.c),$(wildcard csrc/$2/*.c))
guest_objects = $(patsubst csrc/%.c,build/$1/obj/%.o,$(call guest_sources,$1,$2))
here_objects  = $(foreach g,$(HERE),$(call guest_objects,$1,$g))
units         = $(patsubst spec/c/%.c,build/$1/c/%,$(call unit_sources,$1))
# All in two flavours; in others those that name it, and what specs start.
unit_sources  = $(if $(filter test asan,$1),$(UNITS),$(NAMES_$1) spec/c/seccomp.c)
NAMES_tsan   := $(shell grep -l 'flavours:.*tsan' $(UNITS))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

help: ## list the targets
	@sed -n 's/^\([a-z_.-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 24

# --- building ---------------------------------------------------------------------------------

# What the compiler has to say is kept beside the object: `lint` looks at it.
compile = $(CC) $(KIO_CFLAGS) $(flags_$1) $(CFLAGS) -MMD -MP -c $< -o $@ 2>$@.log; \
	  status=$$?; test ! -s $@.log || cat $@.log >&2; exit $$status
as_test = grep -q $(header_$1) build/test/obj/$*.d || { cp build/test/obj/$*.o $@; exit; }

define flavour_rules
build/$1/obj/%.o: csrc/%.c $(if $(header_$1),build/test/obj/%.o) Makefile
	@mkdir -p $$(@D)
	$(if $(header_$1),@$$(call as_test,$1); )$$(call compile,$1)

build/$1/kio/core.so: $(call objects,$1)
	@mkdir -p $$(@D)
	$$(CC) -shared $$(flags_$1) $$(link_$1) $$(LDFLAGS) $$^ $$(KIO_LIBS) -o $$@

# A unit test takes from the archive only the objects that it uses. P: two folders may have files of
# the same name.
build/$1/libkio.a: $(call objects,$1) $(call guest_objects,$1,http)
	@rm -f $$@
	ar rcsP $$@ $$^

build/$1/c/%: spec/c/%.c build/$1/libkio.a
	@mkdir -p $$(@D)
	$$(CC) $$(KIO_CFLAGS) $$(flags_$1) $$(CFLAGS) -MMD -MP $$< build/$1/libkio.a \
	  $$(KIO_LIBS) -llua5.4 -lm -o $$@

build-$1: build/$1/kio/core.so $(HERE:%=build/$1/kio/%/core.so) \
  $(if $(filter release,$1),,$(call units,$1))
.PHONY: build-$1
-include $(patsubst %.o,%.d,$(call objects,$1) $(call here_objects,$1))
-include $(addsuffix .d,$(call units,$1))
endef
$(foreach f,$(FLAVOURS),$(eval $(call flavour_rules,$f)))

define guest_rules
build/$1/kio/$2/core.so: $(call guest_objects,$1,$2)
	@mkdir -p $$(@D)
	$$(CC) -shared $$(flags_$1) $$(link_$1) $$(LDFLAGS) $$^ -Wl,--as-needed $$(libs_$2) -o $$@
endef
$(foreach f,$(FLAVOURS),$(foreach g,$(HERE),$(eval $(call guest_rules,$f,$g))))

# Fuzzing targets: with libFuzzer, and to run the kept inputs only.
build/fuzz/%: override CC := $(CLANG)
build/fuzz/target/%: spec/fuzz/%.c spec/fuzz/lua_target.h build/fuzz/libkio.a
	@mkdir -p $(@D)
	$(CLANG) $(KIO_CFLAGS) -O1 -g -fsanitize=fuzzer,address,undefined $< build/fuzz/libkio.a \
	  $(KIO_LIBS) -llua5.4 -lm -o $@

build/asan/fuzz/%: spec/fuzz/%.c spec/fuzz/replay.c spec/fuzz/lua_target.h build/asan/libkio.a
	@mkdir -p $(@D)
	$(CC) $(KIO_CFLAGS) $(flags_asan) $(CFLAGS) $< spec/fuzz/replay.c build/asan/libkio.a \
	  $(KIO_LIBS) -llua5.4 -lm -o $@

build-asan: $(patsubst spec/fuzz/%.c,build/asan/fuzz/%,$(TARGETS))

build-tsan: build/tsan/longjmp.so
build/tsan/longjmp.so: spec/runner/longjmp.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -O1 -g -fPIC -shared -U_FORTIFY_SOURCE $< -o $@

# The first process on the kernels that spec/kernels boots.
build/kernels/init: spec/kernels/init.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE $(WARNINGS) -O1 $< -o $@

# The same source for Lua 5.5, of which most systems have nothing yet: spec/runner/lua55 makes its
# interpreter. What busted needs of libraries in C is one object under their names. `private`: the
# objects of `test` that some are copied from are for 5.4 all the same.
LUA55      := build/lua-5.5
LUA55_LIBS := $(addprefix build/lua55/,lfs.so system/core.so term/core.so)
build/lua55/%: private LUA_CFLAGS = -I$(LUA55)/src
$(call objects,lua55) $(call here_objects,lua55): | $(LUA55)/src/lua.h
build-lua55: $(LUA55_LIBS)
$(LUA55)/src/lua.h:
	@CC='$(CC)' spec/runner/lua55

build/lua55/libraries.so: spec/runner/lua55.c | $(LUA55)/src/lua.h
	@mkdir -p $(@D)
	$(CC) $(KIO_CFLAGS) $(flags_lua55) -fvisibility=default -shared $< -o $@

$(LUA55_LIBS): build/lua55/libraries.so
	@mkdir -p $(@D)
	ln -sf $(CURDIR)/$< $@

all: build-release ## build the release flavour
test-build: build-test ## build the test flavour, enough to run `busted` by hand

compile_commands.json: Makefile $(SOURCES) $(GUEST_FILES) $(UNITS) ## for clangd and other tools
	@for f in $(SOURCES) $(GUEST_FILES) $(UNITS); do \
	  printf '{"directory":"%s","file":"%s","command":"%s"}\n' "$(CURDIR)" "$$f" \
	    "$(CC) $(KIO_CFLAGS) $(flags_test) -c $$f"; \
	done | sed -e '1s/^/[/' -e '$$!s/$$/,/' -e '$$s/$$/]/' > $@

# --- checking ---------------------------------------------------------------------------------

C_FILES  = $(wildcard csrc/*.[ch] csrc/*/*.[ch] spec/c/*.[ch] spec/fuzz/*.[ch] \
             spec/kernels/*.c spec/runner/*.c bench/*.[ch] bench/*/*.[ch] bench/*.cc)
LUA_DIRS = $(wildcard lua spec examples bench rockspec)
RUNNER   = lua5.4 spec/runner.lua --jobs $(JOBS) $(if $(ONLY),--only '$(ONLY)')

setup: ## install what is missing for building and testing
	@.ci/setup test

test: setup ## the complete suite; ONLY=pattern FLAVOUR=name run a part
	@$(RUNNER) $(if $(FLAVOUR),--flavour $(FLAVOUR))

asan tsan hostile: setup
	@$(RUNNER) --flavour $@
asan: ## the suite under AddressSanitizer and UndefinedBehaviorSanitizer
tsan: ## the suite under ThreadSanitizer
hostile: ## the suite with hostile constants

lint: setup ## formatting, luacheck, gcc and clang with warnings as errors
	@$(if $(C_FILES),clang-format --dry-run -Werror $(C_FILES))
	@luacheck --no-color --quiet $(LUA_DIRS)
	@$(MAKE) -j$(JOBS) lint-gcc lint-clang

# Of `release` for the warnings that take an optimizer, of `test` for what only specs need.
LINTED := $(foreach f,release test,$(call objects,$f) $(call here_objects,$f))
lint-gcc: $(LINTED)
	@! grep . $(LINTED:=.log)
# One process reads all of them: clang's driver starts one for each, which takes four times as long.
CLANGED := $(SOURCES) $(foreach g,$(HERE),$(wildcard csrc/$g/*.c)) $(UNITS)
lint-clang:
	@$(if $(CLANGED),$(CLANG) $(KIO_CFLAGS) -DKIO_TEST -fsyntax-only -Werror \
	  $(firstword $(CLANGED)) $(patsubst %,-Xclang %,$(wordlist 2,$(words $(CLANGED)),$(CLANGED))))

format: ## rewrite the C files in the project's format
	$(if $(C_FILES),clang-format -i $(C_FILES))

# --- running ----------------------------------------------------------------------------------

demo: ## from a fresh clone to a running example, in one command
	@.ci/setup demo
	@$(MAKE) -j$(JOBS) all
	LUA_PATH='./lua/?.lua;./lua/?/init.lua;;' LUA_CPATH='./build/release/?.so;;' \
	  lua5.4 examples/demo.lua

bench: ## run the benchmarks (see bench/)
	@.ci/setup bench
	@$(MAKE) -j$(JOBS) all
	@$(MAKE) bench-run

# New inputs gather in build/fuzz/corpus; spec/fuzz/corpus is what the suite replays.
SECONDS ?= 30
fuzz: ## fuzz every target; SECONDS=n for each, ONLY=name for one
	@.ci/setup fuzz
	@$(MAKE) -j$(JOBS) $(patsubst spec/fuzz/%.c,build/fuzz/target/%,$(TARGETS))
	@for t in $(filter $(or $(ONLY),%),$(patsubst spec/fuzz/%.c,%,$(TARGETS))); do \
	  echo "fuzzing $$t for $(SECONDS) s"; mkdir -p build/fuzz/corpus/$$t; \
	  setarch -R build/fuzz/target/$$t -max_total_time=$(SECONDS) -max_len=2048 -timeout=20 \
	    -artifact_prefix=build/fuzz/$$t- -verbosity=0 -detect_leaks=0 \
	    build/fuzz/corpus/$$t spec/fuzz/corpus/$$t || exit 1; \
	done

# What is in the flavour's build is called from outside: see spec/fuzz/interface.lua.
fuzz-interface: ## call everything with everything; SEEDS=A-B FLAVOUR=name
	@$(MAKE) -j$(JOBS) build-$(or $(FLAVOUR),asan)
	@lua5.4 spec/fuzz/interface.lua --flavour $(or $(FLAVOUR),asan) --jobs $(JOBS) \
	  $(if $(SEEDS),--seeds $(SEEDS)) $(if $(WITHOUT),--without '$(WITHOUT)')

# Survivors want a spec. COUNT mutants of SEED, in copies of the project.
mutate: setup ## break lines of csrc, see who notices; SEED=n COUNT=n ONLY=pattern WHOLE=0
	@lua5.4 spec/mutate/mutate.lua --seed $(or $(SEED),1) --count $(or $(COUNT),10) \
	  $(if $(ONLY),--only '$(ONLY)') $(if $(WHOLE),--whole $(WHOLE))

clean: ## remove everything that was built
	rm -rf build compile_commands.json kio csrc/*.o csrc/*/*.o

.PHONY: help all test-build setup test asan tsan hostile lint lint-gcc lint-clang format demo \
        bench fuzz fuzz-interface mutate clean

-include bench/build.mk
