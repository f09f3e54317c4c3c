//! The harness itself against the real servers: what the other tests rely on without saying so.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::access::Account;
use e2e::audit;
use e2e::cluster::Cluster;
use e2e::gate::Gate;
use e2e::kubeconfig::Login;
use e2e::lab::scenario;
use e2e::{kubeconfig, objects, wait};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, ListParams};

#[test]
fn the_servers_authorise_count_and_restart() -> Result<()> {
    scenario(Duration::from_secs(180), async |lab| {
        let mut cluster = Cluster::start(lab).await?;
        let client = cluster.client()?;
        let version = client.apiserver_version().await?;
        ensure!(version.git_version.starts_with("v1."), "an odd version: {version:?}");

        let namespaces = objects::namespace_names(4);
        objects::create_namespaces(&client, &namespaces).await?;
        objects::populate(&client, &namespaces, 40).await?;
        let before = objects::truth(&client).await?;
        ensure!(before.len() == 40, "{} ingresses", before.len());

        // RBAC: one namespace is readable, the cluster is not.
        let account = Account::create(&client, "limited").await?;
        account.allow_ingresses_in(&client, "team-01").await?;
        let gate = Gate::to(cluster.port()).await?;
        let file = cluster.kubeconfig_via("limited", &gate.url(), Login::Token(&account.token))?;
        let limited = kubeconfig::client(&file).await?;
        let mark = cluster.audit()?.mark();
        let own: Api<Ingress> = Api::namespaced(limited.clone(), "team-01");
        wait::until("the grant to take effect", wait::PATIENCE, async || {
            Ok(own.list(&ListParams::default()).await?.items.len() == 10)
        })
        .await?;
        let all = Api::<Ingress>::all(limited).list(&ListParams::default()).await;
        ensure!(matches!(&all, Err(kube::Error::Api(status)) if status.code == 403), "not refused: {all:?}");

        // The audit log has both, under the account's name, and the gate saw the connection.
        let entries = cluster.audit()?.since(mark)?;
        let refused = audit::count(&entries, |entry| {
            entry.user.username == account.user()
                && entry.response_status.code == 403
                && entry.object_ref.namespace.is_empty()
        });
        ensure!(refused == 1, "{refused} refusals in {entries:?}");
        ensure!(gate.accepted() >= 1, "nothing went through the gate");

        // A namespace goes away without a controller.
        objects::delete_namespace(&client, "team-03").await?;
        let gone = Api::<Namespace>::all(client.clone()).get_opt("team-03").await?;
        ensure!(gone.is_none(), "the namespace is still there");

        // A second server sees and changes the same data while the first is down.
        cluster.kill_server()?;
        let second = cluster.second_server().await?;
        objects::delete(&second.client(), "team-00", &objects::name(0)).await?;
        cluster.etcd().compact().await?;
        cluster.restart_server().await?;
        let after = objects::truth(&cluster.client()?).await?;
        ensure!(after.len() == 29, "{} ingresses", after.len());
        ensure!(
            after.iter().all(|(key, state)| before.get(key) == Some(state)),
            "objects changed by themselves"
        );
        Ok(())
    })
}

#[test]
fn refused_credentials_are_in_the_audit_log() -> Result<()> {
    scenario(Duration::from_secs(90), async |lab| {
        let cluster = Cluster::start(lab).await?;
        let client = cluster.client()?;
        let wrong = kubeconfig::client(&cluster.kubeconfig("wrong", Login::Token("not-a-token"))?).await?;
        let mark = cluster.audit()?.mark();
        for _ in 0..3 {
            let answer = wrong.apiserver_version().await;
            ensure!(
                matches!(&answer, Err(kube::Error::Api(status)) if status.code == 401),
                "not refused: {answer:?}"
            );
        }
        let refusals = |mark| -> Result<usize> {
            Ok(audit::count(&cluster.audit()?.since(mark)?, |entry| entry.response_status.code == 401))
        };
        ensure!(refusals(mark)? == 3, "{} refusals instead of 3", refusals(mark)?);

        // A token dies with its account.
        let account = Account::create(&client, "short-lived").await?;
        let own =
            kubeconfig::client(&cluster.kubeconfig("short-lived", Login::Token(&account.token))?).await?;
        own.apiserver_version().await?;
        account.delete(&client).await?;
        wait::until("the token to be refused", wait::PATIENCE, async || {
            Ok(matches!(own.apiserver_version().await, Err(kube::Error::Api(status)) if status.code == 401))
        })
        .await
    })
}

#[test]
fn a_gate_cuts_stalls_and_opens() -> Result<()> {
    scenario(Duration::from_secs(90), async |lab| {
        let cluster = Cluster::start_with(lab, |settings| settings.watch_cache = false).await?;
        cluster.fill(1, 2).await?;
        let gate = Gate::to(cluster.port()).await?;
        let through =
            kubeconfig::client(&cluster.kubeconfig_via("through", &gate.url(), Login::Admin)?).await?;
        let short = Duration::from_millis(500);
        through.apiserver_version().await?;
        gate.cut();
        ensure!(through.apiserver_version().await.is_err(), "an answer through a cut gate");
        gate.open();
        through.apiserver_version().await?;
        gate.stall();
        let stalled = tokio::time::timeout(short, through.apiserver_version()).await;
        ensure!(stalled.is_err(), "an answer through a stalled gate");
        gate.open();
        wait::until("an answer", wait::PATIENCE, async || Ok(through.apiserver_version().await.is_ok())).await
    })
}
