//! The publications to the members of a cluster while a session is opened.

use super::endpoints::{Endpoint, channel_to};
use super::ingress::{AddingIngress, IngressPublication};
use super::settings::Settings;
use crate::error::Error;

/// A member and the publication to it.
struct Member {
    endpoint: Endpoint,
    link: Link,
}

enum Link {
    Adding(AddingIngress),
    Ready(IngressPublication),
    Failed(Error),
}

/// The members to which the connect request can be sent, each with a publication of its own.
#[derive(Default)]
pub(super) struct Members(Vec<Member>);

impl Members {
    pub(super) fn new(settings: &Settings, endpoints: &[Endpoint]) -> Self {
        let member = |endpoint: &Endpoint| Member { endpoint: endpoint.clone(), link: adding(settings, endpoint) };
        Self(endpoints.iter().map(member).collect())
    }

    /// Members with other endpoints, but with the existing publication to `member_id` if there is one. `None` if `member_id` is not among the
    /// endpoints.
    pub(super) fn redirected(self, settings: &Settings, endpoints: &[Endpoint], member_id: i32) -> Option<Self> {
        let mut members = Self::new(settings, endpoints);
        let wanted = members.0.iter_mut().find(|member| member.endpoint.member_id == member_id)?;
        let same = |member: &Member| member.endpoint == wanted.endpoint && !matches!(member.link, Link::Failed(_));
        if let Some(known) = self.0.into_iter().find(same) {
            wanted.link = known.link;
        }
        Some(members)
    }

    /// Adds the publications to the members, or only to `leader` if it is known, and returns the first that is connected. A publication that
    /// cannot be added is kept for the error message at the deadline; the others are still tried.
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

    /// The list of endpoints, as written in the settings.
    pub(super) fn list(&self) -> Option<String> {
        let entry = |member: &Member| format!("{}={}", member.endpoint.member_id, member.endpoint.address);
        (!self.0.is_empty()).then(|| self.0.iter().map(entry).collect::<Vec<_>>().join(","))
    }

    /// The members whose publication could not be added so far, and why.
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
