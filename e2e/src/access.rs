//! Service accounts and what they may do.

use anyhow::{Context as _, Result};
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::{Value, json};

/// The namespace in which test accounts live. It has no ingresses.
const HOME: &str = "default";

/// A service account of the program under test.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Account {
    /// Its name.
    pub name: String,
    /// A token of it, good for an hour.
    pub token: String,
}

impl Account {
    /// Creates an account that may do nothing yet, and asks for a token of it.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn create(client: &kube::Client, name: &str) -> Result<Self> {
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), HOME);
        let account: ServiceAccount = serde_json::from_value(json!({"metadata": {"name": name}}))?;
        accounts.create(&PostParams::default(), &account).await.context("creating a service account")?;
        let request: TokenRequest =
            serde_json::from_value(json!({"spec": {"expirationSeconds": 3600, "audiences": []}}))?;
        let answer = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await
            .context("asking for a token")?;
        let token = answer.status.and_then(|status| status.token).context("the answer holds no token")?;
        Ok(Self { name: name.to_owned(), token })
    }

    /// The user name under which the audit log has it.
    #[must_use]
    pub fn user(&self) -> String {
        format!("system:serviceaccount:{HOME}:{}", self.name)
    }

    /// Deletes the account, after which its token is refused.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn delete(&self, client: &kube::Client) -> Result<()> {
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), HOME);
        accounts.delete(&self.name, &DeleteParams::default()).await.context("deleting a service account")?;
        Ok(())
    }

    /// Lets it read the ingresses of one namespace.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn allow_ingresses_in(&self, client: &kube::Client, namespace: &str) -> Result<()> {
        let name = self.role("ingresses");
        let role: Role = serde_json::from_value(
            json!({"metadata": {"name": name}, "rules": [read("networking.k8s.io", &["ingresses"])]}),
        )?;
        let binding: RoleBinding = serde_json::from_value(self.binding(&name, "Role"))?;
        Api::namespaced(client.clone(), namespace).create(&PostParams::default(), &role).await?;
        Api::namespaced(client.clone(), namespace).create(&PostParams::default(), &binding).await?;
        Ok(())
    }

    /// Takes back what [`allow_ingresses_in`](Self::allow_ingresses_in) gave.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn forbid_ingresses_in(&self, client: &kube::Client, namespace: &str) -> Result<()> {
        let bindings: Api<RoleBinding> = Api::namespaced(client.clone(), namespace);
        bindings.delete(&self.role("ingresses"), &DeleteParams::default()).await?;
        Ok(())
    }

    /// Lets it read all namespaces (the objects themselves, not what is in them).
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn allow_namespaces(&self, client: &kube::Client) -> Result<()> {
        self.allow_cluster_wide(client, "namespaces", &[read("", &["namespaces"])]).await
    }

    /// Lets it read all ingresses and namespaces: what the documentation recommends.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn allow_everything(&self, client: &kube::Client) -> Result<()> {
        let rules = [read("", &["namespaces"]), read("networking.k8s.io", &["ingresses"])];
        self.allow_cluster_wide(client, "everything", &rules).await
    }

    /// Lets it ask whose tokens are and what others may do, as Kubernetes' own role for that says.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn allow_reviews(&self, client: &kube::Client) -> Result<()> {
        let binding = self.binding("system:auth-delegator", "ClusterRole");
        let mut binding: ClusterRoleBinding = serde_json::from_value(binding)?;
        // Several accounts may have the same role.
        binding.metadata.name = Some(self.role("reviews"));
        Api::all(client.clone()).create(&PostParams::default(), &binding).await?;
        Ok(())
    }

    /// Lets it read all objects of one resource.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn allow_resource(&self, client: &kube::Client, group: &str, plural: &str) -> Result<()> {
        self.allow_cluster_wide(client, plural, &[read(group, &[plural])]).await
    }

    /// Lets it agree with others by Leases, in any namespace.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn allow_leases(&self, client: &kube::Client) -> Result<()> {
        let verbs = ["get", "create", "patch"];
        let rule = json!({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": verbs});
        self.allow_cluster_wide(client, "leases", &[rule]).await
    }

    async fn allow_cluster_wide(&self, client: &kube::Client, what: &str, rules: &[Value]) -> Result<()> {
        let name = self.role(what);
        let role: ClusterRole = serde_json::from_value(json!({"metadata": {"name": name}, "rules": rules}))?;
        let binding: ClusterRoleBinding = serde_json::from_value(self.binding(&name, "ClusterRole"))?;
        Api::all(client.clone()).create(&PostParams::default(), &role).await?;
        Api::all(client.clone()).create(&PostParams::default(), &binding).await?;
        Ok(())
    }

    fn role(&self, what: &str) -> String {
        format!("{}-reads-{what}", self.name)
    }

    fn binding(&self, role: &str, kind: &str) -> Value {
        json!({
            "metadata": {"name": role},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": self.name, "namespace": HOME}],
        })
    }
}

fn read(group: &str, resources: &[&str]) -> Value {
    json!({"apiGroups": [group], "resources": resources, "verbs": ["get", "list", "watch"]})
}
