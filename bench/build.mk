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
BENCH_PROGRAMS := $(BENCH_SERVERS) $(addprefix $(BENCH_OUT)/,load threads_queue reads_pread bulk)

# Peers that want a library or a compiler of their own: left out, with a word, where they fail.
BENCH_CXX      ?= g++
BENCH_CXXFLAGS ?= -std=c++17 -O2 -g -Wall -Wextra
BENCH_CARGO    ?= cargo
BENCH_CRATES   ?= /usr/share/cargo/registry
BENCH_PEERS    := $(addprefix $(BENCH_OUT)/,echo_libuv echo_asio echo_asio_uring echo_tokio)
BENCH_TLS      := $(addprefix $(BENCH_OUT)/,echo_tls_epoll load_tls tls_client tls.pem)

# ARGS: scenarios and options of bench/run.lua, as in  make bench ARGS='50x64 --rounds 20'
bench-run: bench-build $(CORE_RELEASE)
	$(BENCH_LUA) bench/run.lua $(ARGS)

bench-check: bench-build $(CORE_RELEASE) ## whether kio keeps its bounds; for a quiet machine
	$(BENCH_LUA) bench/run.lua --check $(ARGS)

BENCH_CHARTS ?= docs/charts

bench-charts: bench-build $(CORE_RELEASE) ## charts, measured anew; for a quiet machine
	@mkdir -p $(BENCH_CHARTS)
	$(BENCH_LUA) bench/run.lua charts --charts $(BENCH_CHARTS) --rounds 30 $(ARGS)

BENCH_MICRO := $(BENCH_OUT)/crossing $(BENCH_OUT)/wake

bench-micro: $(CORE_RELEASE) $(BENCH_MICRO) ## what tasks, timers and crossings cost
	@for f in spawn timers placement; do $(BENCH_KIO) $(BENCH_LUA) bench/micro/$$f.lua || exit 1; done
	@$(BENCH_OUT)/crossing
	@$(BENCH_OUT)/wake

bench-build: $(BENCH_PROGRAMS) $(BENCH_PEERS) $(BENCH_TLS) $(BENCH_OUT)/http_go

.PHONY: bench-run bench-check bench-charts bench-micro bench-build

$(BENCH_SERVERS): %: %.o $(BENCH_OUT)/echo_common.o
BENCH_LOAD := $(addprefix $(BENCH_OUT)/,load.o load_client.o load_server.o)
$(BENCH_OUT)/load: $(BENCH_LOAD) $(BENCH_OUT)/load_plain.o
$(BENCH_URING): BENCH_LIBS := -luring
$(BENCH_OUT)/threads_queue: $(BENCH_OUT)/threads_queue.o
$(BENCH_OUT)/reads_pread: $(BENCH_OUT)/reads_pread.o
$(BENCH_OUT)/bulk: $(addprefix $(BENCH_OUT)/,bulk.o load_server.o)
$(BENCH_OUT)/threads_queue: BENCH_LIBS := -pthread

$(BENCH_PROGRAMS):
	$(BENCH_CC) $(BENCH_CFLAGS) -o $@ $^ $(BENCH_LIBS)

$(BENCH_OUT)/%.o: bench/%.c bench/build.mk
	@mkdir -p $(@D)
	$(BENCH_CC) $(BENCH_CFLAGS) -MMD -MP -c -o $@ $<

# $1: the program, $2: what it needs, $3: the command that builds it
bench_peer = @mkdir -p $(@D); echo "building $1"; $3 >$@.log 2>&1 || { rm -f $@; \
  echo "bench: left out: $1 cannot be built ($2?), see $@.log" >&2; }

$(BENCH_OUT)/echo_libuv: bench/echo_libuv.c $(BENCH_OUT)/echo_common.o
	$(call bench_peer,echo_libuv,libuv1-dev,$(BENCH_CC) $(BENCH_CFLAGS) -o $@ $^ -luv)

# What speaks TLS, and the certificate that all of it has.
BENCH_TLS_CC := $(BENCH_CC) $(BENCH_CFLAGS)
$(BENCH_OUT)/echo_tls_epoll: bench/echo_tls_epoll.c $(BENCH_OUT)/echo_common.o
	$(call bench_peer,echo_tls_epoll,libssl-dev,$(BENCH_TLS_CC) -o $@ $^ -lssl -lcrypto)

$(BENCH_OUT)/load_tls: bench/load_tls.c $(BENCH_LOAD)
	$(call bench_peer,load_tls,libssl-dev,$(BENCH_TLS_CC) -o $@ $^ -lssl -lcrypto)

$(BENCH_OUT)/tls_client: bench/tls_client.c $(BENCH_OUT)/load_server.o
	$(call bench_peer,tls_client,libssl-dev,$(BENCH_TLS_CC) -pthread -o $@ $^ -lssl -lcrypto)

$(BENCH_OUT)/tls.pem:
	$(call bench_peer,tls.pem,openssl,openssl req -x509 -newkey ec -pkeyopt \
	  ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=localhost -keyout $@ -out $@.cert && \
	  (cat $@.cert >>$@))

# Asio has io_uring since Boost 1.78; Debian 12 packages 1.74 and 1.81.
BENCH_ASIO := $(BENCH_CXX) $(BENCH_CXXFLAGS) bench/echo_asio.cc $(BENCH_OUT)/echo_common.o -pthread

$(BENCH_OUT)/echo_asio: bench/echo_asio.cc $(BENCH_OUT)/echo_common.o
	$(call bench_peer,echo_asio,libboost1.81-dev,$(BENCH_ASIO) -o $@)

$(BENCH_OUT)/echo_asio_uring: bench/echo_asio.cc $(BENCH_OUT)/echo_common.o
	$(call bench_peer,echo_asio_uring,libboost1.81-dev,$(BENCH_ASIO) -DBOOST_ASIO_HAS_IO_URING \
	  -DBOOST_ASIO_DISABLE_EPOLL -o $@ -luring)

$(BENCH_OUT)/http_go: bench/http_go/main.go
	$(call bench_peer,http_go,golang-go,GO111MODULE=off go build -o $@ $<)

# In a copy, since cargo writes a lock file beside the manifest.
$(BENCH_OUT)/echo_tokio: bench/echo_tokio/main.rs bench/echo_tokio/Cargo.toml
	$(call bench_peer,echo_tokio,librust-tokio-dev and cargo,mkdir -p $(BENCH_OUT)/tokio && \
	  cp $^ $(BENCH_OUT)/tokio && (cd $(BENCH_OUT)/tokio && $(BENCH_CARGO) build --release \
	  --offline --config 'source.crates-io.replace-with="debian"' \
	  --config 'source.debian.directory="$(BENCH_CRATES)"' --target-dir target) && \
	  cp $(BENCH_OUT)/tokio/target/release/echo_tokio $@)

# Calls the codec itself, without a thread.
$(BENCH_OUT)/crossing: bench/micro/crossing.c build/release/libkio.a bench/build.mk
	@mkdir -p $(@D)
	$(BENCH_CC) $(BENCH_CFLAGS) -D_GNU_SOURCE -Icsrc $(LUA_CFLAGS) $< build/release/libkio.a \
	  -luring -llua5.4 -lm -pthread -o $@

$(BENCH_OUT)/wake: bench/micro/wake.c bench/build.mk
	@mkdir -p $(@D)
	$(BENCH_CC) $(BENCH_CFLAGS) -D_GNU_SOURCE $< -luring -pthread -o $@

-include $(wildcard $(BENCH_OUT)/*.d)
