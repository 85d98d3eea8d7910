//! ServiceAccounts: an identity per component. No component calls the API server, so no token.

use k8s_openapi::api::core::v1::{LocalObjectReference, ServiceAccount};

use super::meta::metadata;
use crate::component::Component;
use crate::controller::validate::ValidatedPlatform;

pub(super) fn service_account(
    platform: &ValidatedPlatform,
    component: Component,
) -> ServiceAccount {
    let secrets = &platform.spec.image.pull_secrets;
    let pull_secrets: Vec<_> = secrets
        .iter()
        .map(|secret| LocalObjectReference {
            name: secret.name.clone(),
        })
        .collect();
    ServiceAccount {
        metadata: metadata(platform, component, platform.object_name(component)),
        automount_service_account_token: Some(false),
        image_pull_secrets: (!pull_secrets.is_empty()).then_some(pull_secrets),
        ..ServiceAccount::default()
    }
}
