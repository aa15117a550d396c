//! Contacting the seeds.

use std::time::Duration;

use chitchat::ChitchatHandle;
use tracing::warn;

use crate::shared::Shared;

/// How often seeds are looked up and greeted while nobody else is known, and once somebody is.
const GREET_ALONE: Duration = Duration::from_secs(1);
const GREET_JOINED: Duration = Duration::from_secs(10);
/// A node that greets in vain says so after five seconds, and then twice a minute; so it says which seeds it can't look
/// up, at once and then twice a minute.
const GREETINGS_PER_WARNING: u32 = 30;
/// Greets the seeds: often while nobody else is known, and now and then for ever, since a cluster that was cut in two
/// for long has forgotten its other half. Apart from `follow`: a name can take its time to be looked up.
pub(super) async fn greet(shared: &Shared, handle: &ChitchatHandle) {
    let mut members = shared.members.subscribe();
    let mut in_vain = 0_u32;
    loop {
        let alone = members.borrow_and_update().iter().filter(|member| member.live).count() <= 1;
        in_vain = if alone && !shared.settings.seeds.is_empty() { in_vain.wrapping_add(1) } else { 0 };
        if in_vain % GREETINGS_PER_WARNING == GREETINGS_PER_WARNING / 6 {
            let (cluster, seeds) = (&shared.settings.cluster, shared.settings.seeds.join(", "));
            warn!("no other node of cluster `{cluster}` answers at {seeds}; check cluster.seeds and cluster.name");
        }
        greet_seeds(shared, handle, in_vain % GREETINGS_PER_WARNING == 1).await;
        let pause = tokio::time::sleep(if alone { GREET_ALONE } else { GREET_JOINED });
        let lost_all = members.wait_for(|members| !alone && members.iter().filter(|member| member.live).count() <= 1);
        tokio::select! {
            () = pause => {}
            _ = lost_all => {}
            () = shared.stop.cancelled() => return,
        }
    }
}

/// Looks the seeds up and greets each, but for this node itself. What can't be looked up is logged where that is due.
async fn greet_seeds(shared: &Shared, handle: &ChitchatHandle, log: bool) {
    for seed in &shared.settings.seeds {
        match tokio::time::timeout(Duration::from_secs(1), tokio::net::lookup_host(seed)).await {
            Ok(Ok(addresses)) => {
                for address in addresses {
                    if address == shared.addresses().gossip {
                        // Perhaps only now: some name services list a node a while after it has started.
                        shared.write(|replica, now| replica.become_seed(now));
                        shared.look_again();
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
