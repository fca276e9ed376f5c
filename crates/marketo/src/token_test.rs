//! Tests of [`super`]: the module beside this file.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tower::util::BoxCloneSyncService;

use super::*;

/// An identity service that answers with `answers` one after the other, the last one for ever.
fn identity(answers: &'static [(u16, &'static str)]) -> (Tokens, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let transport = BoxCloneSyncService::new(tower::service_fn(move |request: http::Request<Bytes>| {
        let at = count.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        async move {
            assert_eq!(request.uri().query(), Some("grant_type=client_credentials&client_id=a&client_secret=s%26%2B"));
            let mut answer = http::Response::new(Bytes::from_static(answers[at].1.as_bytes()));
            *answer.status_mut() = StatusCode::from_u16(answers[at].0).unwrap();
            Ok(answer)
        }
    }));
    (Tokens::new("https://x.example", "a", "s&+".into(), transport), asked)
}

async fn text(tokens: &Tokens) -> String {
    tokens.token().await.unwrap().expose_secret().to_owned()
}

#[tokio::test(start_paused = true)]
async fn one_token_is_kept_until_its_last_seconds() {
    let (tokens, asked) =
        identity(&[(200, r#"{"access_token":"t1","expires_in":3599}"#), (200, r#"{"access_token":"t2","expires_in":"3600"}"#)]);
    let tokens = Arc::new(tokens);
    let many: Vec<_> = (0..20)
        .map(|_| {
            let tokens = tokens.clone();
            tokio::spawn(async move { text(&tokens).await })
        })
        .collect();
    for one in many {
        assert_eq!(one.await.unwrap(), "t1");
    }
    tokio::time::advance(Duration::from_secs(3590)).await;
    assert_eq!(text(&tokens).await, "t1");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    tokio::time::advance(Duration::from_secs(8)).await;
    assert_eq!(text(&tokens).await, "t2");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_that_comes_again_is_waited_out() {
    let (tokens, _) = identity(&[
        (200, r#"{"access_token":"t1","expires_in":40}"#),
        (200, r#"{"access_token":"t1","expires_in":30}"#),
        (200, r#"{"access_token":"t2","expires_in":3600}"#),
    ]);
    let first = tokens.token().await.unwrap();
    tokens.refused(&first).await;
    let begun = Instant::now();
    assert_eq!(text(&tokens).await, "t2");
    assert_eq!(begun.elapsed(), Duration::from_secs(31));
    tokens.refused(&first).await;
    assert_eq!(text(&tokens).await, "t2", "an old token's refusal says nothing about the new one");
}

#[tokio::test(start_paused = true)]
async fn a_token_with_a_long_life_is_handed_out_again_rather_than_waited_for() {
    let (tokens, asked) = identity(&[(200, r#"{"access_token":"t1","expires_in":3000}"#)]);
    let first = tokens.token().await.unwrap();
    tokens.refused(&first).await;
    let begun = Instant::now();
    assert_eq!(text(&tokens).await, "t1");
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_in_its_last_second_is_not_used() {
    let (tokens, _) = identity(&[(200, r#"{"access_token":"t1","expires_in":0}"#), (200, r#"{"access_token":"t2","expires_in":2}"#)]);
    let begun = Instant::now();
    assert_eq!(text(&tokens).await, "t2", "a new token is used even though its life is short");
    assert_eq!(begun.elapsed(), Duration::from_secs(1));
}

#[tokio::test]
async fn bad_credentials_are_for_the_operator_and_never_shown() {
    let bad = r#"{"error":"invalid_client","error_description":"Bad client credentials"}"#;
    for answers in [&[(401, "")], &[(200, r#"{"error":"unauthorized"}"#)]] as [&'static [(u16, &'static str)]; 2] {
        let error = identity(answers).0.token().await.unwrap_err();
        assert_eq!((error.class(), error.code()), (Some(Class::Config), "invalid_client"));
    }
    let (tokens, _) = identity(&[(401, r#"{"error":"invalid_client","error_description":"Bad client credentials"}"#)]);
    let error = tokens.token().await.unwrap_err();
    assert_eq!(error.to_string(), "invalid_client: Bad client credentials");
    assert!(!bad.contains("s&+") && !format!("{error:?}{tokens:?}").contains("s&+"));
}

#[tokio::test]
async fn trouble_at_identity_never_looks_as_if_the_call_had_been_sent() {
    for (answer, class) in [((503, "busy"), Class::Transient), ((200, r#"{"access_tok"#), Class::Transient), ((404, "no"), Class::Config)] {
        let (tokens, _) = identity(Box::leak(Box::new([answer])));
        assert_eq!(tokens.token().await.unwrap_err().class(), Some(class));
    }
}
