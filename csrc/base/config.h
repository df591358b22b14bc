/* Every limit of kio, with its reason. KIO_HOSTILE shrinks them so that the rare paths run
   often. */
#ifndef KIO_BASE_CONFIG_H
#define KIO_BASE_CONFIG_H

#ifdef KIO_HOSTILE
#define KIO_RING_ENTRIES 2    /* every batch overfills the submission queue */
#define KIO_RING_CQ_ENTRIES 4 /* completions overflow all the time */
#define KIO_SLAB_CHUNK 2      /* the slab grows at every second request */
#define KIO_BUFFER_MIN 23     /* every read comes in scraps */
#define KIO_BUFFER_MAX 92     /* no buffer is cached that is larger */
#define KIO_RECEIVE_MAX 92    /* no read is larger */
#define KIO_BUFFER_CACHE 1    /* buffers hardly ever come from the cache */
#define KIO_HIGH_WATER 46     /* writers wait at once */
#define KIO_PIN_MIN 30        /* most strings leave from where they lie */
#define KIO_PLAIN_MAX 2       /* messages soon go through the ring */
#define KIO_LOANS_FIRST 1     /* a second receive at the same time starves */
#define KIO_LOANS_BUFFERS 2   /* and a third one always does */
#define KIO_ANCHORS 1         /* spare numbers in the registry are soon used up */
#define KIO_BUDGET 4          /* who never waits soon lets the loop turn */
#define KIO_BUDGET_LOOK 4     /* every fourth time */
#define KIO_SNAPSHOT_NS 1000  /* the ready queue is cut short nearly every turn */
#else
#define KIO_RING_ENTRIES 256     /* 28 KiB of locked memory; 97 rings fit into the usual 8 MiB */
#define KIO_RING_CQ_ENTRIES 4096 /* completions may come in bursts of many turns */
#define KIO_SLAB_CHUNK 64        /* requests per chunk: one chunk is about 16 KiB */
#define KIO_BUFFER_MIN 4096      /* the first receive of a stream: one page */
#define KIO_BUFFER_MAX 262144    /* the largest that is kept when it is freed */
#define KIO_RECEIVE_MAX 65536    /* what a stream receives at once stays in the processor's cache */
#define KIO_BUFFER_CACHE 64      /* freed buffers kept per size, for the next connection */
#define KIO_HIGH_WATER 65536     /* output a stream gathers before its writer waits */
#define KIO_PIN_MIN 16384        /* from here on a string leaves from where it lies, not copied */
#define KIO_PLAIN_MAX 32         /* messages a socket moves in a turn without the ring */
#define KIO_LOANS_FIRST 32       /* buffers that lie ready for receives at first ... */
#define KIO_LOANS_BUFFERS 256    /* ... and when so many receive at once: 1 MiB */
#define KIO_ANCHORS 64           /* numbers in the registry kept for the next tasks */
#define KIO_BUDGET 1024          /* operations a task does without waiting until the loop turns */
#define KIO_BUDGET_LOOK 64       /* a power of two: and looks at the clock, which costs 20 ns */
#define KIO_SNAPSHOT_NS 5000000  /* tasks may run 5 ms before the kernel is looked at again */
#endif

#define KIO_RING_ENTRIES_MAX 32768 /* the kernel's IORING_MAX_ENTRIES */
#define KIO_LOANS_LIMIT 32768      /* the kernel's MAX_BIDS_PER_BGID is twice that */
#define KIO_IOWQ_BOUNDED 4         /* kernel threads for file work, per ring */
#define KIO_IOWQ_UNBOUNDED 8       /* and for what may block for ever; the default is 96365 */
#define KIO_FD_MAX (1 << 20)       /* beyond the kernel's default fs.nr_open no descriptor exists */
#define KIO_COLLECT_AHEAD_NS \
  100000000                     /* to collect garbage in vain: a small program's notices it not */
#define KIO_COLLECT_SHARE 8     /* and a large one's server still serves, at its limit */
#define KIO_LINE_MAX 65536      /* a line, or what comes before a delimiter, unless told */
#define KIO_HOLD_MAX (16 << 20) /* the most that stream:buffer gathers */
#define KIO_READ_ALL_MAX (64 << 20) /* read("a"), unless told */
#define KIO_EXTERNAL_MIN 32768  /* bytes: from here on a copy costs more than a buffer of its own */
#define KIO_IO_MAX 0x7ffff000   /* the most the kernel moves in one call (MAX_RW_COUNT) */
#define KIO_IOV_MAX 1024        /* the kernel's UIO_MAXIOV */
#define KIO_WATCHDOG_COUNT 1000 /* Lua instructions between two looks at the clock: some 10 us */
#define KIO_RIG_SETTLE_S 0.01   /* real time the kernel gets before a virtual clock jumps */
#define KIO_RIG_SURE_NS 30000000000LL /* and for what it completes by itself, such as file work */
#define KIO_TRACEBACK_MAX 16384       /* bytes of a traceback that another one repeats */
#define KIO_REPORT_TRACEBACKS 16      /* tasks a report gives the tracebacks of */
#define KIO_REPORT_TASKS 100          /* and those it names */
#define KIO_PARCEL_MAX (1 << 30)      /* bytes of values to another thread: copies have an end */
#define KIO_QUARANTINE 256        /* freed buffers watched for late kernel writes, in test builds */
#define KIO_CHANNEL_MAX (1 << 30) /* messages in a channel: its memory grows with what is there */
#define KIO_THREADS_MAX 1024      /* workers of one run */
#define KIO_OFFER_TURNS 16        /* a busy worker looks after offers every so many turns */
#define KIO_POOL_THREADS 8        /* blocking jobs that run at once, unless told */
#define KIO_POOL_QUEUE 1024       /* and those that wait for a thread */
#define KIO_POOL_THREADS_LOOKUP 4 /* names of hosts that are looked up at once */
#define KIO_POOL_THREADS_INTERNAL 4       /* calls on names in directories that run at once */
#define KIO_POOL_THREADS_FILE 4           /* operations on files that run at once, with epoll */
#define KIO_POOL_QUEUE_INTERNAL (1 << 20) /* each waits in a task: those are the limit */
#define KIO_THREAD_STACK (2 << 20)        /* bytes: Lua's 200 nested C calls take less than half */
#define KIO_CHILD_WAIT_STACK (256 << 10)  /* bytes: a thread that calls waitid, and nothing else */
#define KIO_POOL_GRACE_NS 200000000       /* how long the end waits for a job nobody misses */
#define KIO_DRAIN_COLLECT_NS 100000000    /* output that takes longer may be for what is garbage */
#define KIO_STOP_GRACE_NS 200000000  /* what the other threads get when the run has had its time */
#define KIO_LATE_GRACE_NS 100000000  /* and then, to close what they have: all less than 0.5 s */
#define KIO_FAREWELL_NS 5000000000LL /* how long a close waits for an end mark alone to leave */
#define KIO_EXIT_STALL_NS 500000000  /* how long os.exit waits for output of which nothing leaves */
#define KIO_SETTLE_NS 1000000        /* how often the end of a run looks at the pool's last jobs */
#define KIO_SHUTDOWN_TIMEOUT_S 30.0  /* how long a run may take to unwind its tasks */

#endif
