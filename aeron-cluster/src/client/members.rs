//! The ways to the members of a cluster while a session is opened.

use super::endpoints::{Endpoint, channel_to};
use super::ingress::{AddingIngress, IngressPublication};
use super::settings::Settings;
use crate::error::Error;

/// The way to one member.
struct Member {
    endpoint: Endpoint,
    link: Link,
}

enum Link {
    Adding(AddingIngress),
    Ready(IngressPublication),
    Failed(Error),
}

/// The members that may take the request, each with a publication of its own.
#[derive(Default)]
pub(super) struct Members(Vec<Member>);

impl Members {
    pub(super) fn new(settings: &Settings, endpoints: &[Endpoint]) -> Self {
        let member = |endpoint: &Endpoint| Member { endpoint: endpoint.clone(), link: adding(settings, endpoint) };
        Self(endpoints.iter().map(member).collect())
    }

    /// The same for other endpoints, with what leads to `member_id` already; `None` if that is not among them.
    pub(super) fn redirected(self, settings: &Settings, endpoints: &[Endpoint], member_id: i32) -> Option<Self> {
        let mut members = Self::new(settings, endpoints);
        let wanted = members.0.iter_mut().find(|member| member.endpoint.member_id == member_id)?;
        let same = |member: &Member| member.endpoint == wanted.endpoint && !matches!(member.link, Link::Failed(_));
        if let Some(known) = self.0.into_iter().find(same) {
            wanted.link = known.link;
        }
        Some(members)
    }

    /// Adds the publications to the members, or to `leader` alone if it is known, and takes the first that is connected. That
    /// one of them cannot be added is remembered for the error at the deadline; the others may do.
    pub(super) fn first_connected(&mut self, settings: &Settings, leader: Option<i32>) -> Option<IngressPublication> {
        let wanted = |member: &&mut Member| leader.is_none_or(|leader| leader == member.endpoint.member_id);
        for member in self.0.iter_mut().filter(wanted) {
            if let Link::Adding(adding) = &mut member.link {
                match adding.poll(&settings.aeron) {
                    Ok(None) => {}
                    Ok(Some(publication)) => member.link = Link::Ready(publication),
                    Err(error) => member.link = Link::Failed(error),
                }
            }
            if matches!(&member.link, Link::Ready(publication) if publication.is_connected()) {
                let again = adding(settings, &member.endpoint);
                if let Link::Ready(publication) = std::mem::replace(&mut member.link, again) {
                    return Some(publication);
                }
            }
        }
        None
    }

    /// The list, as it is written in the settings.
    pub(super) fn list(&self) -> Option<String> {
        let entry = |member: &Member| format!("{}={}", member.endpoint.member_id, member.endpoint.address);
        (!self.0.is_empty()).then(|| self.0.iter().map(entry).collect::<Vec<_>>().join(","))
    }

    /// The members whose publication could not be added, or not yet, and why.
    pub(super) fn failures(&self) -> impl Iterator<Item = (i32, &Error)> {
        self.0.iter().filter_map(|member| match &member.link {
            Link::Failed(error) => Some((member.endpoint.member_id, error)),
            Link::Adding(adding) => adding.refusal().map(|error| (member.endpoint.member_id, error)),
            Link::Ready(_) => None,
        })
    }
}

fn adding(settings: &Settings, endpoint: &Endpoint) -> Link {
    let channel = channel_to(&settings.ingress_channel, endpoint);
    Link::Adding(AddingIngress::new(channel, settings.ingress_stream_id, settings.ingress_exclusive))
}
