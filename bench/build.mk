# The benchmark's programs; they are built into build/bench, and the figures are written there too.
# Included by the Makefile, whose target `bench` ends in `bench-run`; works alone as well, then with
# whatever core is built:   make -f bench/build.mk

BENCH_CC     ?= $(CC)
BENCH_CFLAGS ?= -std=c11 -O2 -g -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes
BENCH_LUA    ?= lua5.4
BENCH_OUT    := build/bench
BENCH_KIO    := LUA_PATH='./lua/?.lua;./lua/?/init.lua;;' LUA_CPATH='./build/release/?.so;;'
CORE_RELEASE ?= $(if $(SOURCES),build/release/kio/core.so)

BENCH_URING    := $(addprefix $(BENCH_OUT)/,echo_uring echo_uring_oneshot)
BENCH_SERVERS  := $(BENCH_URING) $(BENCH_OUT)/echo_epoll
BENCH_PROGRAMS := $(BENCH_SERVERS) $(BENCH_OUT)/load $(BENCH_OUT)/threads_queue

# ARGS: scenarios and options of bench/run.lua, as in  make bench ARGS='50x64 --rounds 20'
bench-run: bench-build $(CORE_RELEASE)
	$(BENCH_LUA) bench/run.lua $(ARGS)

bench-check: bench-build $(CORE_RELEASE) ## whether kio keeps its bounds; for a quiet machine
	$(BENCH_LUA) bench/run.lua --check $(ARGS)

BENCH_MICRO := $(BENCH_OUT)/crossing $(BENCH_OUT)/wake

bench-micro: $(CORE_RELEASE) $(BENCH_MICRO) ## what tasks, timers and crossings cost
	@for f in spawn timers placement; do $(BENCH_KIO) $(BENCH_LUA) bench/micro/$$f.lua || exit 1; done
	@$(BENCH_OUT)/crossing
	@$(BENCH_OUT)/wake

bench-build: $(BENCH_PROGRAMS)

.PHONY: bench-run bench-check bench-micro bench-build

$(BENCH_SERVERS): %: %.o $(BENCH_OUT)/echo_common.o
$(BENCH_OUT)/load: $(addprefix $(BENCH_OUT)/,load.o load_client.o load_server.o)
$(BENCH_URING): BENCH_LIBS := -luring
$(BENCH_OUT)/threads_queue: $(BENCH_OUT)/threads_queue.o
$(BENCH_OUT)/threads_queue: BENCH_LIBS := -pthread

$(BENCH_PROGRAMS):
	$(BENCH_CC) $(BENCH_CFLAGS) -o $@ $^ $(BENCH_LIBS)

$(BENCH_OUT)/%.o: bench/%.c bench/build.mk
	@mkdir -p $(@D)
	$(BENCH_CC) $(BENCH_CFLAGS) -MMD -MP -c -o $@ $<

# Calls the codec itself, without a thread.
$(BENCH_OUT)/crossing: bench/micro/crossing.c build/release/libkio.a bench/build.mk
	@mkdir -p $(@D)
	$(BENCH_CC) $(BENCH_CFLAGS) -D_GNU_SOURCE -Icsrc $(LUA_CFLAGS) $< build/release/libkio.a \
	  -luring -llua5.4 -lm -pthread -o $@

$(BENCH_OUT)/wake: bench/micro/wake.c bench/build.mk
	@mkdir -p $(@D)
	$(BENCH_CC) $(BENCH_CFLAGS) -D_GNU_SOURCE $< -luring -pthread -o $@

-include $(wildcard $(BENCH_OUT)/*.d)
