# The configuration of workerd: one worker behind one socket. The executor compiles it with the files beside it, and
# sets the addresses at each start.

using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "function", worker = .function),
    (name = "outbound", external = (address = "unix:/nowhere", http = (style = proxy))),
  ],
  sockets = [(name = "requests", http = (), service = "function")],
  v8Flags = ["--max-old-space-size=HEAP_MIB"],
);

const function :Workerd.Worker = (
  modules = [
    (name = "main.mjs", esModule = embed "main.mjs"),
    (name = "outbound.mjs", esModule = embed "outbound.mjs"),
    (name = "answer.mjs", esModule = embed "answer.mjs"),
    (name = "handler.js", esModule = embed "handler.js"),
  ],
  # Since January 2026 the text of a body lacks its mark of UTF-8, as the standard says. Later dates add modules of Node.
  compatibilityDate = "2026-01-20",
  bindings = [
    (name = "ISOLAB_GRANTED", fromEnvironment = "ISOLAB_GRANTED"),
    (name = "ISOLAB_OUTBOUND", fromEnvironment = "ISOLAB_OUTBOUND"),
  ],
  # There is no other way out.
  globalOutbound = "outbound",
);
