//! Handlers that fail, and the causes that their failures have.

use crate::support::{Lab, get, stop};
use isolab_core::{Cause, Variant};

#[tokio::test]
async fn a_container_that_dies_at_its_start_has_a_cause() {
    let Some(mut lab) = Lab::open("docker").await else { return };
    let function = lab.handler("dies-at-start", "", "throw new Error('no will to live');");
    let error = lab.start(&function, Variant::Js).await.err().unwrap();
    let Cause::Crashed(reason) = &error.cause else { panic!("{error}") };
    assert!(reason.contains("exit code 1") && reason.contains("no will to live"), "{reason}");
    let function = lab.handler("no-handler", "", "export default 1;");
    let error = lab.start(&function, Variant::Js).await.err().unwrap();
    assert!(error.to_string().contains("no function `fetch`"), "{error}");
}

const MISBEHAVES: &str = r#"
const encoder = new TextEncoder();
const ways = {
  "/throw": () => { throw new RangeError("too far, \u00e4\ud800"); },
  "/value": () => "no response",
  "/stray": () => { setImmediate(() => { throw new Error("a stray one"); }); return new Promise(() => {}); },
  "/unhandled": () => { Promise.reject(new Error("nobody caught this")); return new Promise(() => {}); },
  "/exit": () => process.exit(3),
  "/broken": () => new Response(new ReadableStream({
    async pull(controller) {
      controller.enqueue(encoder.encode("x".repeat(200_000)));
      await new Promise((resolve) => setTimeout(resolve, 20));
      controller.error(new Error("midway"));
    },
  })),
  "/early": () => new Response(new ReadableStream({ pull(controller) { controller.error(new Error("at once")); } })),
  "/stream": () => new Response(new ReadableStream({
    start(controller) {
      for (let i = 0; i < 50; i++) controller.enqueue(encoder.encode(String(i % 10).repeat(10_000)));
      controller.close();
    },
  }), { status: 201, headers: [["set-cookie", "a=1"], ["set-cookie", "b=2"], ["content-length", "3"]] }),
  "/empty": () => new Response(null, { status: 204 }),
};
export default { async fetch(request) { return ways[new URL(request.url).pathname](); } };
"#;

#[tokio::test]
async fn each_failure_has_its_cause() {
    let Some(mut lab) = Lab::open("docker").await else { return };
    let function = lab.handler("misbehaves", "", MISBEHAVES);
    let instance = lab.start(&function, Variant::Js).await.unwrap();
    // After a failed request the server goes on.
    assert!(
        matches!(get(&*instance, "/throw").await, Err(Cause::Threw(text)) if text.contains("RangeError: too far, ä\u{fffd}"))
    );
    assert!(matches!(get(&*instance, "/value").await, Err(Cause::InvalidResponse(_))));
    assert!(matches!(get(&*instance, "/early").await, Err(Cause::Threw(text)) if text.contains("at once")));
    assert!(
        matches!(get(&*instance, "/broken").await, Err(Cause::Trapped(text)) if text.contains("broken off"))
    );
    let response = get(&*instance, "/stream").await.unwrap();
    assert_eq!((response.status().as_u16(), response.body().len()), (201, 500_000));
    let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    let response = get(&*instance, "/empty").await.unwrap();
    assert_eq!((response.status().as_u16(), response.body().len()), (204, 0));
    stop(instance).await;
    for (path, word) in
        [("/stray", "a stray one"), ("/unhandled", "nobody caught this"), ("/exit", "exit code 3")]
    {
        let instance = lab.start(&function, Variant::Js).await.unwrap();
        let cause = get(&*instance, path).await.unwrap_err();
        stop(instance).await;
        assert!(matches!(&cause, Cause::Crashed(text) if text.contains(word)), "{path}: {cause}");
    }
}

/// Answers no request before it has four.
const TOGETHER: &str = r#"
const waiting = [];
export default {
  fetch() {
    return new Promise((resolve) => {
      if (waiting.push(resolve) === 4) for (const answer of waiting) answer(new Response("together"));
    });
  },
};
"#;

#[tokio::test]
async fn one_container_answers_as_many_requests_at_the_same_time_as_its_setting_says() {
    for spec in ["docker:concurrency=4", "docker:concurrency=4,network=bridge"] {
        let Some(mut lab) = Lab::open(spec).await else { return };
        let function = lab.handler("together", "", TOGETHER);
        let instance = lab.start(&function, Variant::Js).await.unwrap();
        let answers = futures_util::future::join_all((0..4).map(|_| get(&*instance, "/"))).await;
        for answer in answers {
            assert_eq!(answer.unwrap().body(), "together", "{spec}");
        }
        stop(instance).await;
    }
}
