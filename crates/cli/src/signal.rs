//! What the operating system asks of the process.

/// Ends when the process is asked to stop, from now on: whoever has been told that we are there may ask at once.
pub(crate) fn asked_to_stop() -> impl Future<Output = ()> + Send + 'static {
    let (interrupted, terminated) = signals();
    async move {
        tokio::select! {
            () = interrupted => {}
            () = terminated => {}
        }
    }
}

/// Ctrl-C and SIGTERM. What can't be listened to never comes.
#[cfg(unix)]
fn signals() -> (impl Future<Output = ()> + Send, impl Future<Output = ()> + Send) {
    use tokio::signal::unix::{SignalKind, signal};
    let heard = |kind| {
        let listening = signal(kind);
        async move {
            match listening {
                Ok(mut signal) => drop(signal.recv().await),
                Err(_) => std::future::pending().await,
            }
        }
    };
    (heard(SignalKind::interrupt()), heard(SignalKind::terminate()))
}

/// Ctrl-C.
#[cfg(not(unix))]
fn signals() -> (impl Future<Output = ()> + Send, impl Future<Output = ()> + Send) {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    (interrupted, std::future::pending())
}

/// SIGHUP, by which a process is asked to read its configuration anew. It never comes where there is none.
#[derive(Debug)]
pub(crate) struct Hangups {
    #[cfg(unix)]
    heard: Option<tokio::signal::unix::Signal>,
}

impl Hangups {
    /// From now on none is missed; several that come at once are one.
    pub(crate) fn new() -> Self {
        Self {
            #[cfg(unix)]
            heard: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok(),
        }
    }

    /// Ends with the next.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(heard) = &mut self.heard
            && heard.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}
