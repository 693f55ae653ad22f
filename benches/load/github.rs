//! A webhook as GitHub sends one: its header fields, and a body of 10 KiB in the shape of a push event, made up here.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::Res;
use crate::contender::Endpoint;

/// Bytes of the body.
pub const LEN: usize = 10 << 10;
/// What sender and receiver both know.
pub const SECRET: &str = "It's a secret to everybody but this bench";

/// What a repository has an address of, each under the name with `_url` behind it.
const ADDRESSES: &str = "archive assignees blobs branches clone collaborators comments commits compare contents \
    contributors deployments downloads events forks git_commits git_refs git_tags hooks \
    issue_comment issue_events issues keys labels languages merges milestones notifications pulls \
    releases stargazers statuses subscribers subscription tags teams trees mirror";

/// A body and the head that goes with it, but for the id, which every delivery has its own of.
pub struct Webhook {
    /// Up to where the id stands.
    before_id: Vec<u8>,
    /// From behind the id, body included.
    after_id: Vec<u8>,
}

impl Webhook {
    /// A request to `endpoint`, signed.
    pub fn new(endpoint: &Endpoint, media_type: &str, body: &[u8]) -> Res<Webhook> {
        let Endpoint { addr, path } = endpoint;
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?;
        mac.update(body);
        let signature =
            mac.finalize().into_bytes().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        let before_id = format!(
            "POST {path} HTTP/1.1\r\nHost: {addr}\r\nUser-Agent: GitHub-Hookshot/7a1b2c3\r\nContent-Length: {}\r\n\
             Accept: */*\r\nContent-Type: {media_type}\r\nX-GitHub-Event: push\r\nX-GitHub-Hook-ID: 412345678\r\n\
             X-GitHub-Hook-Installation-Target-ID: 712345678\r\n\
             X-GitHub-Hook-Installation-Target-Type: repository\r\nX-Hub-Signature: sha1={:040x}\r\n\
             X-Hub-Signature-256: sha256={signature}\r\nX-GitHub-Delivery: 72d3162e-cc78-11e3-81ab-",
            body.len(),
            0
        );
        let after_id = [b"\r\n\r\n", body].concat();
        Ok(Webhook { before_id: before_id.into_bytes(), after_id })
    }

    /// Adds the delivery of a number to `request`.
    pub fn write(&self, number: u64, request: &mut Vec<u8>) {
        request.extend_from_slice(&self.before_id);
        request.extend_from_slice(format!("{number:012x}").as_bytes());
        request.extend_from_slice(&self.after_id);
    }
}

/// The body: JSON of `LEN` bytes.
pub fn payload() -> Res<Vec<u8>> {
    let with = |filling: usize| {
        let commits: Vec<Value> = (0..3).map(commit).collect();
        json!({
            "ref": "refs/heads/main",
            "before": hash(0),
            "after": hash(3),
            "repository": repository(filling),
            "pusher": { "name": "someone", "email": "someone@example.com" },
            "organization": { "login": "example", "id": 7_654_321, "url": "https://api.example.com/orgs/example" },
            "sender": account("someone"),
            "installation": { "id": 31_415_926, "node_id": "MDIzOkludGVncmF0aW9uSW5zdGFsbGF0aW9u" },
            "created": false,
            "deleted": false,
            "forced": false,
            "base_ref": null,
            "compare": "https://example.com/example/webhooks/compare/0123456789ab...ba9876543210",
            "head_commit": commits[2],
            "commits": commits,
        })
        .to_string()
    };
    let bare = with(0).len();
    let filling = LEN.checked_sub(bare).ok_or_else(|| format!("{bare} bytes are more than {LEN}"))?;
    Ok(with(filling).into_bytes())
}

/// As many bytes that are no JSON, and like that one line: an event's frame begins anew with each.
pub fn text() -> Vec<u8> {
    b"Not JSON, but words. ".iter().copied().cycle().take(LEN).collect()
}

fn repository(filling: usize) -> Value {
    let mut repository = json!({
        "id": 123_456_789,
        "node_id": "MDEwOlJlcG9zaXRvcnkxMjM0NTY3ODk=",
        "name": "webhooks",
        "full_name": "example/webhooks",
        "private": false,
        "owner": account("example"),
        "description": "What the sender of this webhook is about \u{2013} ".to_owned() + &"words ".repeat(filling / 6) + &"x".repeat(filling % 6),
        "fork": false,
        "created_at": 1_700_000_000,
        "updated_at": "2026-01-02T03:04:05Z",
        "pushed_at": 1_700_000_100,
        "homepage": null,
        "size": 4321,
        "stargazers_count": 12,
        "watchers_count": 12,
        "language": "Rust",
        "has_issues": true,
        "has_projects": true,
        "has_wiki": false,
        "forks_count": 3,
        "archived": false,
        "open_issues_count": 5,
        "license": { "key": "apache-2.0", "name": "Apache License 2.0", "spdx_id": "Apache-2.0" },
        "topics": ["webhooks", "server-sent-events", "sidecar"],
        "visibility": "public",
        "default_branch": "main",
    });
    for name in ADDRESSES.split(' ') {
        let address = format!("https://api.example.com/repos/example/webhooks/{name}{{/number}}");
        repository[format!("{name}_url")] = address.into();
    }
    repository
}

fn account(login: &str) -> Value {
    let at = |rest: &str| format!("https://api.example.com/users/{login}{rest}");
    json!({
        "login": login,
        "id": 1_234_567,
        "node_id": "MDQ6VXNlcjEyMzQ1Njc=",
        "avatar_url": "https://avatars.example.com/u/1234567?v=4",
        "url": at(""),
        "followers_url": at("/followers"),
        "gists_url": at("/gists{/gist_id}"),
        "repos_url": at("/repos"),
        "events_url": at("/events{/privacy}"),
        "type": "User",
        "site_admin": false,
    })
}

fn commit(number: u32) -> Value {
    let author = json!({ "name": "Some One", "email": "someone@example.com", "username": "someone" });
    json!({
        "id": hash(number),
        "tree_id": hash(number + 100),
        "distinct": true,
        "message": format!("Change the \"thing\" number {number}\n\nIt was wrong, and this is why:\n- a reason\n- another"),
        "timestamp": "2026-01-02T03:04:05+01:00",
        "url": format!("https://example.com/example/webhooks/commit/{}", hash(number)),
        "author": author,
        "committer": author,
        "added": ["src/new.rs"],
        "removed": [],
        "modified": ["src/lib.rs", "README.md", "tests/all.rs"],
    })
}

/// Forty digits, as of a commit.
fn hash(number: u32) -> String {
    format!("{:040x}", (u128::from(number) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_0C57_1F2B_4D6B))
}

/// Own check: JSON of the size it says.
pub fn check() -> Res<()> {
    let payload = payload()?;
    let parsed: Value = serde_json::from_slice(&payload)?;
    let holds = payload.len() == LEN && parsed["sender"]["type"] == "User" && text().len() == LEN;
    if holds { Ok(()) } else { Err("own check failed: the payload".into()) }
}
