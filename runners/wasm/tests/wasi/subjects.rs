//! A program for WASI preview 1 with the subjects of the public wasi-testsuite. The variable `subject` names
//! the one that runs. The test `wasi` compiles this file, and grants `/data` and `/work`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::time::{Duration, Instant, SystemTime};
use std::{env, process, thread};

fn main() -> io::Result<()> {
    match env::var("subject").unwrap_or_default().as_str() {
        "args" => println!("{:?}", env::args().collect::<Vec<_>>()),
        "environ" => println!("{:?} {:?}", env::var("GRANTED"), env::var("sent")),
        "stdio" => stdio()?,
        "exit" => process::exit(env::var("code").unwrap_or_default().parse().unwrap_or(99)),
        "clocks" => clocks(),
        "poll" => thread::sleep(Duration::from_millis(1)),
        "poll_forever" => thread::sleep(Duration::from_secs(3600)),
        "files" => files()?,
        "seek" => seek()?,
        "truncate" => truncate()?,
        "append" => append()?,
        "directories" => directories()?,
        "readdir" => readdir()?,
        "rename" => rename()?,
        "unlink" => unlink()?,
        "symlinks" => symlinks()?,
        "dangling_symlink" => dangling_symlink()?,
        "symlink_loop" => symlink_loop()?,
        "hard_links" => hard_links()?,
        "stat" => stat()?,
        "read_only" => read_only(),
        "escape" => escape(),
        "many_files" => many_files()?,
        "large_buffer" => large_buffer()?,
        "flood" => flood()?,
        "named_pipe" => named_pipe()?,
        "trap" => panic!("it went wrong"),
        other => panic!("there is no subject `{other}`"),
    }
    Ok(())
}

/// To open a pipe would wait for its other end.
fn named_pipe() -> io::Result<()> {
    let reading = File::open("/data/pipe").map_err(|error| error.kind()).err();
    let writing = OpenOptions::new().write(true).open("/work/pipe").map_err(|error| error.kind()).err();
    println!("{reading:?} {writing:?}");
    print!("{}", fs::read_to_string("/data/hello.txt")?);
    Ok(())
}

fn stdio() -> io::Result<()> {
    let mut input = String::new();
    io::stdin().read_to_string(&mut input)?;
    eprintln!("for the log");
    print!("{}", input.to_uppercase());
    Ok(())
}

fn clocks() {
    let (begun, wall) = (Instant::now(), SystemTime::now());
    assert!(begun.elapsed() < Duration::from_secs(3600));
    assert!(wall.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() > 1_700_000_000);
}

fn files() -> io::Result<()> {
    print!("{}", fs::read_to_string("/data/hello.txt")?);
    fs::write("/work/new", "written")?;
    println!("{}", fs::read_to_string("/work/new")?);
    println!("{:?}", kind(File::open("/work/absent")));
    println!("{:?}", kind(OpenOptions::new().write(true).create_new(true).open("/work/new")));
    Ok(())
}

fn seek() -> io::Result<()> {
    let mut file = File::open("/data/hello.txt")?;
    let mut text = String::new();
    file.seek(SeekFrom::Start(6))?;
    file.read_to_string(&mut text)?;
    print!("{text} {} ", file.stream_position()?);
    println!("{} {:?}", file.seek(SeekFrom::End(-2))?, kind(file.seek(SeekFrom::Current(-100))));
    Ok(())
}

fn truncate() -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open("/work/t")?;
    file.write_all(b"0123456789")?;
    file.set_len(4)?;
    file.set_len(6)?;
    println!("{:?}", fs::read("/work/t")?);
    Ok(())
}

fn append() -> io::Result<()> {
    for text in ["one ", "two"] {
        OpenOptions::new().append(true).create(true).open("/work/a")?.write_all(text.as_bytes())?;
    }
    println!("{}", fs::read_to_string("/work/a")?);
    Ok(())
}

fn directories() -> io::Result<()> {
    fs::create_dir_all("/work/a/b")?;
    println!("{:?} {}", kind(fs::create_dir("/work/a")), fs::remove_dir("/work/a").is_err());
    fs::remove_dir("/work/a/b")?;
    fs::remove_dir("/work/a")?;
    println!("{:?} {:?}", kind(fs::read_dir("/work/a")), kind(fs::remove_dir("/work/a")));
    Ok(())
}

fn readdir() -> io::Result<()> {
    for number in 0..500 {
        fs::write(format!("/work/{number:03}"), "")?;
    }
    let names: io::Result<Vec<_>> = fs::read_dir("/work")?.map(|entry| Ok(entry?.file_name())).collect();
    let mut names = names?;
    names.sort();
    println!("{} {:?} {:?}", names.len(), names[0], names[499]);
    Ok(())
}

fn rename() -> io::Result<()> {
    fs::write("/work/from", "moved")?;
    fs::rename("/work/from", "/work/to")?;
    println!("{} {:?}", fs::read_to_string("/work/to")?, kind(fs::metadata("/work/from")));
    fs::create_dir("/work/folder")?;
    println!("{:?}", kind(fs::rename("/work/folder", "/work/to")));
    Ok(())
}

fn unlink() -> io::Result<()> {
    fs::write("/work/file", "")?;
    fs::remove_file("/work/file")?;
    println!("{:?}", kind(fs::remove_file("/work/file")));
    Ok(())
}

#[allow(deprecated, reason = "the other form is not stable for WASI")]
fn link(target: &str, path: &str) -> io::Result<()> {
    fs::soft_link(target, path)
}

fn symlinks() -> io::Result<()> {
    fs::write("/work/target", "through a link")?;
    link("target", "/work/link")?;
    println!("{} {:?}", fs::read_to_string("/work/link")?, fs::read_link("/work/link")?);
    println!("{}", fs::symlink_metadata("/work/link")?.is_symlink());
    fs::remove_file("/work/link")?;
    println!("{}", fs::read_to_string("/work/target")?);
    Ok(())
}

fn dangling_symlink() -> io::Result<()> {
    link("absent", "/work/link")?;
    println!("{:?} {:?}", kind(File::open("/work/link")), fs::read_link("/work/link")?);
    Ok(())
}

fn symlink_loop() -> io::Result<()> {
    link("b", "/work/a")?;
    link("a", "/work/b")?;
    println!("{:?}", File::open("/work/a").err().and_then(|error| error.raw_os_error()));
    Ok(())
}

fn hard_links() -> io::Result<()> {
    fs::write("/work/one", "linked")?;
    fs::hard_link("/work/one", "/work/two")?;
    fs::remove_file("/work/one")?;
    println!("{}", fs::read_to_string("/work/two")?);
    Ok(())
}

fn stat() -> io::Result<()> {
    let (file, folder) = (fs::metadata("/data/hello.txt")?, fs::metadata("/data")?);
    println!("{} {} {} {}", file.len(), file.is_file(), folder.is_dir(), file.modified().is_ok());
    Ok(())
}

/// Every way to change a folder that may be read.
fn read_only() {
    let refused: [(&str, io::Result<()>); 9] = [
        ("create", File::create("/data/new").map(drop)),
        ("open", OpenOptions::new().write(true).open("/data/hello.txt").map(drop)),
        ("append", OpenOptions::new().append(true).open("/data/hello.txt").map(drop)),
        ("mkdir", fs::create_dir("/data/folder")),
        ("unlink", fs::remove_file("/data/hello.txt")),
        ("rename", fs::rename("/data/hello.txt", "/data/other")),
        ("move", fs::rename("/data/hello.txt", "/work/other")),
        ("link", fs::hard_link("/data/hello.txt", "/work/other")),
        ("symlink", link("hello.txt", "/data/link")),
    ];
    for (name, result) in refused {
        if result.is_ok() {
            println!("{name} was allowed");
        }
    }
}

/// Every way out of a folder. `/data/out` and `/data/above` are links that lead out of it.
fn escape() {
    let paths = [
        "/data/../secret",
        "/data/./../../secret",
        "/work/../secret",
        "/secret",
        "secret",
        "../secret",
        "/data/above/secret",
        "/data/out",
        "/data/out/passwd",
        "/etc/passwd",
        "/proc/self/environ",
        "/data/hello.txt/../../secret",
        "/work/up/secret",
        "/work/link",
    ];
    let _ = (link("..", "/work/up"), link("../secret", "/work/link"), link("/etc/passwd", "/work/absolute"));
    for path in paths.iter().chain(&["/work/absolute"]) {
        if fs::read(path).is_ok() {
            println!("{path} was read");
        }
        if OpenOptions::new().write(true).open(path).is_ok() {
            println!("{path} was opened");
        }
        if fs::write("/work/mine", "").is_ok()
            && fs::rename("/work/mine", path).is_ok()
            && path.contains("..")
        {
            println!("{path} was replaced");
        }
        if fs::hard_link(path, "/work/hard").is_ok()
            && fs::read("/work/hard").is_ok_and(|text| text == b"secret")
        {
            println!("{path} was linked");
        }
    }
    for path in ["/data/..", "/data/above", "/work/..", "/work/up", "..", "/"] {
        if fs::read_dir(path)
            .is_ok_and(|entries| entries.flatten().any(|entry| entry.file_name() == "secret"))
        {
            println!("{path} was listed");
        }
    }
    for (from, to) in
        [("/work/mine", "/data/../moved"), ("/work/mine", "../moved"), ("/data/../secret", "/work/s")]
    {
        let _ = fs::write("/work/mine", "mine");
        if fs::rename(from, to).is_ok() {
            println!("{from} was moved to {to}");
        }
    }
}

/// More files than an instance may hold.
fn many_files() -> io::Result<()> {
    let mut held = Vec::new();
    loop {
        held.push(File::open("/data/hello.txt")?);
        if held.len() > 10_000 {
            println!("it held {} files", held.len());
            return Ok(());
        }
    }
}

/// A buffer far larger than the file, and a file read at once.
fn large_buffer() -> io::Result<()> {
    let mut room = vec![0; 8 << 20];
    let len = File::open("/data/hello.txt")?.read(&mut room)?;
    fs::write("/work/large", &room)?;
    println!("{len} {}", fs::read("/work/large")?.len());
    Ok(())
}

fn flood() -> io::Result<()> {
    loop {
        io::stdout().write_all(&[b'x'; 65536])?;
    }
}

fn kind<T>(result: io::Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}
