//! Contacting the seeds.

use std::time::Duration;

use chitchat::ChitchatHandle;
use tracing::warn;

use crate::node::context::NodeContext;

/// How often seeds are looked up and contacted while no other node is known, and once one is.
const CONTACT_ALONE: Duration = Duration::from_secs(1);
const CONTACT_JOINED: Duration = Duration::from_secs(10);
/// A node that gets no answer warns after five seconds, and then twice a minute. Of seeds that it can't look up it
/// warns at once, and then twice a minute.
const CONTACTS_PER_WARNING: u32 = 30;
/// Contacts the seeds: often while no other node is known, and rarely from then on. A cluster that was cut in two for
/// long has forgotten its other half. Not a part of `follow`, since name look-ups can be slow.
pub(super) async fn contact_seeds(context: &NodeContext, handle: &ChitchatHandle) {
    let mut members = context.members.subscribe();
    let mut unanswered = 0_u32;
    loop {
        let alone = members.borrow_and_update().iter().filter(|member| member.live).count() <= 1;
        unanswered = if alone && !context.settings.seeds.is_empty() { unanswered.wrapping_add(1) } else { 0 };
        if unanswered % CONTACTS_PER_WARNING == CONTACTS_PER_WARNING / 6 {
            let (cluster, seeds) = (&context.settings.cluster, context.settings.seeds.join(", "));
            warn!(
                "no other node of cluster `{cluster}` answers at {seeds}; check cluster.seeds, cluster.name, and that the key files are the same"
            );
        }
        contact_each(context, handle, unanswered % CONTACTS_PER_WARNING == 1).await;
        let pause = tokio::time::sleep(if alone { CONTACT_ALONE } else { CONTACT_JOINED });
        let lost_all = members.wait_for(|members| !alone && members.iter().filter(|member| member.live).count() <= 1);
        tokio::select! {
            () = pause => {}
            _ = lost_all => {}
            () = context.stop.cancelled() => return,
        }
    }
}

/// Looks the seeds up and contacts each, except this node itself. Failed look-ups are logged when `log` says so.
async fn contact_each(context: &NodeContext, handle: &ChitchatHandle, log: bool) {
    for seed in &context.settings.seeds {
        match tokio::time::timeout(Duration::from_secs(1), tokio::net::lookup_host(seed)).await {
            Ok(Ok(addresses)) => {
                for address in addresses {
                    if address == context.addresses().gossip {
                        // Perhaps only now: some name services list a node a while after it has started.
                        context.write(|replica, now| replica.become_seed(now));
                        context.wake_timekeeper();
                    } else {
                        let _ = handle.gossip(address);
                    }
                }
            }
            Ok(Err(error)) if log => warn!("can't look up the seed {seed}: {error}; trying again every second"),
            Err(_) if log => warn!("looking up the seed {seed} takes over a second; trying again"),
            _ => {}
        }
    }
}
