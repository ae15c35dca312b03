//! The limits of the figures; every report ends with them.

/// One paragraph each.
pub const LIMITS: &[&str] = &[
    "The figures hold for this machine, these versions and these settings. Ratios carry over to other machines \
     better than figures do.",
    "A figure is the mean of the repetitions' medians or percentiles. Intervals come from a bootstrap on two \
     levels: it resamples the repetitions, and then the samples within each (Davison and Hinkley 1997, §3.8; \
     Kalibera and Jones 2013). Student's factor makes up for few repetitions (Hesterberg 2015). Both sides of a \
     ratio are resampled independently.",
    "Latencies are kept as histograms with two significant digits. A percentile lies at most 0.8 % from that of the \
     single latencies.",
    "Intervals cover the noise within this run. They do not cover another machine, or anything that is the same in \
     all repetitions, such as how the binary was linked.",
    "\"No difference seen\" does not prove that two executors are equal. The percentage behind it is the smallest \
     difference that four of five such runs would show (Lachin 1981).",
    "Verdicts are corrected for their number (Benjamini and Hochberg 1995): about one in twenty of the differences \
     shown may be false. Identical cells are compared one by one at 95 %, to test the intervals.",
    "`start` ends when the instance can answer. It leaves out an image registry, a scheduler and a network. Images, \
     snapshots and compiled code are on the local disk already.",
    "Memory is what the host pays for one more live instance: proportional set size and page tables of the server, \
     control group without inactive file pages, and the helper processes of a container with their page tables. Runs \
     of older versions did not read page tables. It leaves out other memory of the kernel.",
    "A closed loop waits for an overloaded server, and so hides how long a queue of users would have waited. An \
     open loop shows it.",
    "The variant `js` of `docker` runs in a Node server, with another HTTP server and other web classes than `v8`: \
     the two differ in more than isolation. `docker:javascript=v8` puts this lab's own V8 server into the container.",
    "The stack of a Wasm module and the instructions of native code are settings (`stack`, `target`). By default, \
     modules have a stack of 32 KiB and native code runs on every x86-64 processor, while the engines compile for \
     this one. `wasm` and `v8` run the same bytes only if they have the same `stack`.",
    "Work that a function does before its first request, such as the evaluation of a handler, is part of `prepare` on \
     `wasm` and `direct`, and of each `start` on `docker`. On `v8` it is part of `prepare` for the variant `js` and of \
     each `start` for `rust`. With `snapshot=off` it is always part of `start`.",
    "An open loop is only as good as its load generator. Each window says how many requests the generator itself sent \
     late; a window with more than 1 % of them is invalid, and so is one where the generator's own lateness makes half of \
     the 99th percentile. A closed loop cannot be judged in this way: its rate is at most what the generator can send.",
    "A container and a Wasm instance answer one request at a time, unless the setting `concurrency` of `docker` says \
     otherwise. Platforms that send many requests to one container hold less memory per request than these figures \
     say. A V8 isolate answers other requests while one of its own waits: the setting `concurrency` of `v8` bounds \
     their number.",
    "The attempts to reach the host are plain calls. They show what a boundary confines by design, and not how it \
     withstands an attack on its errors.",
    "Speed says nothing about the strength of the isolation. `direct` isolates nothing: it shows what the front end \
     itself costs, and is not an executor to choose.",
];
