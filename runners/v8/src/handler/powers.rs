//! The grants of a function, as its instances have them.

use std::collections::BTreeMap;
use std::sync::Arc;

use isolab_core::Environment;
use isolab_core::function::Grants;
use isolab_outbound::Outbound;

use super::boot;
use crate::isolate::Failure;

/// Everything that is granted to each instance of a handler.
pub(crate) struct Powers {
    /// The hosts of outbound requests.
    pub(super) outbound: Arc<Outbound>,
    /// Environment variables.
    pub(super) env: BTreeMap<String, String>,
}

impl Default for Powers {
    fn default() -> Self {
        Self { outbound: Arc::new(Outbound::nowhere()), env: BTreeMap::new() }
    }
}

impl Powers {
    pub(crate) fn new(grants: &Grants, environment: &Environment) -> Self {
        Self { outbound: Arc::new(Outbound::new(grants, environment)), env: grants.env.clone() }
    }

    /// The environment variables as the handler sees them. `None` if there are none.
    pub(super) fn env(
        &self,
        scope: &mut v8::PinScope<'_, '_>,
    ) -> Result<Option<v8::Global<v8::Object>>, Failure> {
        if self.env.is_empty() {
            return Ok(None);
        }
        let object = v8::Object::new(scope);
        for (name, value) in &self.env {
            let (name, value) = (boot::text(scope, name)?, boot::text(scope, value)?);
            object.create_data_property(scope, name.into(), value.into()).ok_or(Failure::Thrown)?;
        }
        object.set_integrity_level(scope, v8::IntegrityLevel::Frozen).ok_or(Failure::Thrown)?;
        Ok(Some(v8::Global::new(scope, object)))
    }
}
