//! Ledgers over real sockets: every node shows what any of them did, keeps it over restarts, and proves it.

use anyhow::{Context, Result};
use psi_api::v1::{self, ledger_service_client::LedgerServiceClient};
use psi_ledger::{
    LogName, UnverifiedHead, UnverifiedProof,
    export::{self, TrustBasis},
    record::Kind,
};
use psi_node::Settings;
use psi_security::node_key::NodePublicKey;
use psi_tests::{Member, eventually, settings};
use tonic::transport::Channel;

fn ledger(member: &Member) -> Result<LedgerServiceClient<Channel>> {
    let address = format!("http://{}", member.node.addresses().grpc);
    Ok(LedgerServiceClient::new(Channel::from_shared(address)?.connect_lazy()))
}

async fn records(member: &Member, kind: &str) -> Result<Vec<v1::LedgerRecord>> {
    let request = v1::ListRecordsRequest { kind: kind.to_owned(), ..Default::default() };
    Ok(ledger(member)?.list_records(request).await?.into_inner().records)
}

async fn heads(member: &Member) -> Result<Vec<v1::LedgerHead>> {
    Ok(ledger(member)?.list_heads(v1::ListHeadsRequest {}).await?.into_inner().heads)
}

async fn export_of(member: &Member) -> Result<Vec<u8>> {
    let mut chunks = ledger(member)?.export(v1::ExportRequest {}).await?.into_inner();
    let mut file = Vec::new();
    while let Some(chunk) = chunks.message().await? {
        file.extend(chunk.data);
    }
    Ok(file)
}

fn key_of(head: &v1::LedgerHead) -> Result<NodePublicKey> {
    let bytes = data_encoding::HEXLOWER.decode(head.public_key.as_bytes())?;
    Ok(NodePublicKey::from_bytes(bytes.try_into().ok().context("32 bytes")?))
}

async fn label(member: &Member, text: &str) -> Result<()> {
    let request = v1::LabelFieldRequest { name: "default".to_owned(), label: text.to_owned() };
    member.field.clone().label_field(request).await?;
    Ok(())
}

fn with_data(name: &str, seeds: &[&Member], directory: &std::path::Path) -> Settings {
    let seeds: Vec<_> = seeds.iter().map(|member| member.node.addresses().gossip).collect();
    Settings { data_directory: Some(directory.to_owned()), ..settings(name, &seeds) }
}

/// Every ledger is held whole by every one of the members, at one head.
async fn all_agree(members: &[&Member], ledgers: usize) -> Result<Vec<v1::LedgerHead>> {
    eventually("all nodes hold all ledgers", async || {
        let agreed = heads(members[0]).await?;
        let mut is_so = agreed.len() == ledgers && agreed.iter().all(|head| head.held == head.size);
        for member in &members[1..] {
            is_so &= heads(member).await? == agreed;
        }
        Ok(is_so)
    })
    .await?;
    heads(members[0]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_did_every_node_shows_and_proves() -> Result<()> {
    let first = Member::start(settings("n1", &[])).await?;
    let second = Member::start(settings("n2", &[first.node.addresses().gossip])).await?;
    label(&first, "pumps").await?;
    label(&second, "Ψ of hall 3").await?;
    // What changes nothing is no record.
    let refused = v1::LabelFieldRequest { name: "default".to_owned(), label: "two\nlines".to_owned() };
    first.field.clone().label_field(refused).await.expect_err("two lines");
    eventually("both records are everywhere", async || {
        Ok(records(&first, "field_label").await?.len() == 2 && records(&second, "field_label").await?.len() == 2)
    })
    .await?;

    let shown = records(&second, "field_label").await?;
    let of_first = shown.iter().find(|record| record.log.contains("/n1/")).context("of n1")?;
    assert_eq!((of_first.object.as_str(), of_first.outcome.as_str()), ("default", "ok"));
    assert_eq!((of_first.method.as_str(), of_first.actor.as_str()), ("psi.v1.PsiFieldService/LabelField", "anyone"));
    assert!(of_first.address.starts_with("127.0.0.1:"), "{}", of_first.address);

    let heads = all_agree(&[&first, &second], 2).await?;
    assert!(heads.iter().all(|head| head.size == 2 && head.conflicts.is_empty()), "{heads:?}");
    let request = v1::GetRecordRequest { log: of_first.log.clone(), index: of_first.index };
    let text = ledger(&second)?.prove_record(request).await?.into_inner().text;
    let key = key_of(heads.iter().find(|head| head.log == of_first.log).context("its head")?)?;
    let proof = UnverifiedProof::parse(&text)?.verify(&key)?;
    assert_eq!((proof.index(), proof.record().kind), (of_first.index, Kind::FieldLabel));

    let file = export_of(&second).await?;
    let known: Vec<_> = heads
        .iter()
        .map(|head| Ok(UnverifiedHead::parse(&head.note)?.verify(&key_of(head)?)?))
        .collect::<Result<_>>()?;
    let report = export::verify(&file, &TrustBasis { anchors: None, heads: &known })
        .map_err(|wrong| anyhow::anyhow!("{wrong:?}"))?;
    assert_eq!(report.runs.len(), 2);
    Ok(())
}

/// Records that are no longer in replicated state come from the disks of others.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_joins_late_fetches_what_the_state_no_longer_shows() -> Result<()> {
    let first = Member::start(settings("n1", &[])).await?;
    for number in 0..200 {
        label(&first, &format!("label {number}")).await?;
    }
    let second = Member::start(settings("n2", &[first.node.addresses().gossip])).await?;
    all_agree(&[&first, &second], 2).await?;
    let mut labels = Vec::new();
    let mut request = v1::ListRecordsRequest { page_size: 64, kind: "field_label".to_owned(), ..Default::default() };
    loop {
        let page = ledger(&second)?.list_records(request.clone()).await?.into_inner();
        labels.extend(page.records);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(labels.len(), 200);
    let indexes: Vec<u64> = labels.iter().map(|record| record.index).collect();
    assert!(indexes.is_sorted_by(|later, earlier| later > earlier), "the latest first: {indexes:?}");
    export::verify(&export_of(&second).await?, &TrustBasis::default()).map_err(|wrong| anyhow::anyhow!("{wrong:?}"))?;
    Ok(())
}

/// Each run has a ledger of its own, which names the one before it.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_begins_a_ledger_that_names_the_one_before() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let other = Member::start(settings("n2", &[])).await?;
    let node = Member::start(with_data("n1", &[&other], directory.path())).await?;
    label(&node, "before").await?;
    node.node.shutdown().await;
    let node = Member::start(with_data("n1", &[&other], directory.path())).await?;
    label(&node, "after").await?;
    let heads = all_agree(&[&node, &other], 3).await?;
    let of_node: Vec<_> = heads.iter().filter(|head| head.log.contains("/n1/")).collect();
    assert_eq!(of_node.len(), 2, "{heads:?}");
    assert_eq!(of_node[0].public_key, of_node[1].public_key, "the key is that of the directory");
    let start = v1::GetRecordRequest { log: of_node[1].log.clone(), index: 0 };
    let start = ledger(&other)?.get_record(start).await?.into_inner();
    let earlier = LogName::parse(&of_node[0].log)?;
    assert_eq!(start.action, format!("goes on after 2 records of {earlier}"));
    Ok(())
}

/// A disk that was set back begins a ledger of its own all the same, and says what it lacks.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lost_its_ledger_convicts_nobody_and_says_so() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let other = Member::start(settings("n2", &[])).await?;
    let node = Member::start(with_data("n1", &[&other], directory.path())).await?;
    label(&node, "before").await?;
    all_agree(&[&node, &other], 2).await?;
    node.node.shutdown().await;
    std::fs::remove_file(directory.path().join("ledger.redb"))?;
    let node = Member::start(with_data("n1", &[&other], directory.path())).await?;
    let heads = all_agree(&[&node, &other], 3).await?;
    assert!(heads.iter().all(|head| head.conflicts.is_empty()), "{heads:?}");
    let last = heads.iter().rfind(|head| head.log.contains("/n1/")).context("of n1")?;
    let start = v1::GetRecordRequest { log: last.log.clone(), index: 0 };
    let start = ledger(&other)?.get_record(start).await?.into_inner();
    assert_eq!(start.action, "begins a ledger; its disk knows less than its peers");
    Ok(())
}

/// A damaged store is set aside, and its records come back from others.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_store_is_set_aside_and_filled_again() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let other = Member::start(settings("n2", &[])).await?;
    let node = Member::start(with_data("n1", &[&other], directory.path())).await?;
    label(&node, "a label to find in the file").await?;
    all_agree(&[&node, &other], 2).await?;
    node.node.shutdown().await;
    let path = directory.path().join("ledger.redb");
    let mut bytes = std::fs::read(&path)?;
    let needle = b"psi.v1.PsiFieldService/LabelField";
    let places: Vec<_> = bytes.windows(needle.len()).enumerate().filter(|(_, window)| *window == needle).collect();
    let places: Vec<usize> = places.into_iter().map(|(place, _)| place).collect();
    assert!(!places.is_empty(), "the record is in the file");
    places.into_iter().for_each(|place| bytes[place] ^= 1);
    std::fs::write(&path, bytes)?;
    let node = Member::start(with_data("n1", &[&other], directory.path())).await?;
    assert!(directory.path().join("ledger.redb.damaged-1").exists(), "it was set aside");
    let heads = all_agree(&[&node, &other], 3).await?;
    assert!(heads.iter().all(|head| head.conflicts.is_empty()), "{heads:?}");
    Ok(())
}
