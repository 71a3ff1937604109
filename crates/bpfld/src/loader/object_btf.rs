//! The object's type information, made fit for the kernel and loaded.

use std::os::fd::OwnedFd;

use bpfld_btf::{BtfFeature, BtfFeatures};
use bpfld_features::{Feature, Probes};
use bpfld_object::Object;
use bpfld_sys as sys;

use super::verifier;
use crate::error::{Error, ErrorKind, Subject};
use crate::memlock;

/// Loads the object's BTF. `None`: it has none, or the kernel knows no BTF.
///
/// The kernel gets it whole first; only if it refuses, it is asked what it lacks.
pub(crate) fn load(object: &Object, probes: &Probes) -> Result<Option<OwnedFd>, Error> {
    let draft = object
        .btf_draft()
        .map_err(|error| Error::new(Subject::ObjectBtf, ErrorKind::Object(error)))?;
    let Some(mut draft) = draft else { return Ok(None) };
    // A kernel that is played by a record is not asked.
    if probes.is_live() {
        let whole = draft.to_bytes();
        if let Ok(fd) = memlock::within(|| sys::btf_load(&sys::BtfLoad::new(&whole), None)) {
            return Ok(Some(fd));
        }
    }
    if probes.probe(Feature::Btf).is_no() {
        return Ok(None);
    }
    draft
        .downgrade(features(probes))
        .map_err(|error| Error::new(Subject::ObjectBtf, ErrorKind::Btf(error)))?;
    verifier::load_btf(&draft.to_bytes()).map(Some)
}

/// What the kernel has of all that BTF can say.
fn features(probes: &Probes) -> BtfFeatures {
    let table = [
        (BtfFeature::Func, Feature::BtfFunc),
        (BtfFeature::Datasec, Feature::BtfDatasec),
        (BtfFeature::GlobalFunc, Feature::BtfGlobalFunc),
        (BtfFeature::Float, Feature::BtfFloat),
        (BtfFeature::DeclTag, Feature::BtfDeclTag),
        (BtfFeature::TypeTag, Feature::BtfTypeTag),
        (BtfFeature::Enum64, Feature::BtfEnum64),
        (BtfFeature::QuestionMark, Feature::BtfOptionalDatasec),
        (BtfFeature::Layout, Feature::BtfLayout),
    ];
    table
        .into_iter()
        .filter(|(_, feature)| !probes.probe(*feature).is_no())
        .map(|(ours, _)| ours)
        .collect()
}
