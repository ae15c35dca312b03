// Tries to get out of its sandbox in each way that the query names, and answers a line for each attempt: its name,
// `yes` or `no`, and what was read or the reason. `src/lib.rs` describes the query. An engine without the modules of
// Node has only `fetch` to try with, or nothing.

const TEXT = { "content-type": "text/plain; charset=utf-8" };

/** The processes that it has started. */
const started = [];

export default {
  async fetch(request) {
    const query = new URL(request.url).searchParams;
    if (query.has("end")) {
      started.splice(0).forEach((child) => child.kill("SIGKILL"));
      return new Response("", { headers: TEXT });
    }
    const mark = query.get("mark") ?? "";
    const lines = [];
    for (const [parameter, attempts] of Object.entries(ATTEMPTS)) {
      if (!query.has(parameter)) continue;
      for (const [name, attempt] of Object.entries(attempts)) {
        lines.push(`${name} ${await outcome(() => attempt(query.get(parameter), mark))}\n`);
      }
    }
    return new Response(lines.join(""), { headers: TEXT });
  },
};

/** The attempts for each parameter of the query, in the order in which they are made. */
const ATTEMPTS = {
  read: { read_file: async (path) => (await node("fs")).readFileSync(path, "utf8") },
  write: { write_file: async (path, mark) => (await node("fs")).writeFileSync(path, mark) },
  port: { connect: async (port, mark) => (await socketTo(port, mark)) ?? fetched(port, mark) },
  neighbour: {
    see_process: async (id) => (await node("fs")).readFileSync(`/proc/${id}/cmdline`, "utf8").replaceAll("\0", " "),
    signal: async (id) => void (await node("process")).kill(Number(id), "SIGKILL"),
  },
  processes: { start_processes: (wanted, mark) => startProcesses(Number(wanted), mark) },
};

/** The outcome of an attempt, in one line. */
async function outcome(attempt) {
  try {
    return `yes ${(await attempt()) ?? ""}`;
  } catch (error) {
    return `no ${String(error?.message ?? error).replaceAll("\n", " ")}`;
  }
}

async function node(name) {
  const module = await import(`node:${name}`);
  return module.default ?? module;
}

/** Connects, and sends the mark; undefined if there are no sockets to try with. */
async function socketTo(port, mark) {
  const net = await node("net").catch(() => undefined);
  if (net === undefined) return undefined;
  return new Promise((resolve, reject) => {
    const socket = net.connect(Number(port), "127.0.0.1", () => socket.end(mark, () => resolve("")));
    socket.on("error", reject);
  });
}

async function fetched(port, mark) {
  await fetch(`http://127.0.0.1:${port}/${mark}`);
  return "";
}

/** Starts processes of the only program that is in every sandbox with Node, and stops each before it does work. */
async function startProcesses(wanted, mark) {
  const [{ spawn }, { execPath }] = await Promise.all([node("child_process"), node("process")]);
  while (started.length < wanted) {
    const child = await new Promise((resolve, reject) => {
      const child = spawn(execPath, ["--eval", "setInterval(() => {}, 1000)", mark], { stdio: "ignore" });
      child.on("spawn", () => resolve(child));
      child.on("error", (error) => reject(new Error(`${error.message} after ${started.length}`)));
    });
    child.kill("SIGSTOP");
    started.push(child);
  }
}
