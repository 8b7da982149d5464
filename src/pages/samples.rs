//! Every page in every state: templates are tried on all of them before one is used.

use super::landing::{self, Landing};
use super::order::{self, OrderPage};
use super::running::{self, Running};
use super::started::{self, Started};
use super::templates;
use crate::domain::id::RequestId;
use crate::domain::refusal::Refusal;
use crate::domain::support::SupportCode;

/// One page in one state.
pub(super) enum Sample {
    /// A refusal.
    Refusal(Refusal, Option<Running>, SupportCode),
    /// The page of a link.
    Landing(Landing),
    /// The page of a download.
    Started(Started),
    /// The page of an order.
    Order(OrderPage),
}

impl Sample {
    /// What the page cannot do without, and what that is called.
    pub(super) fn must_show(&self) -> Option<(String, String)> {
        match self {
            Self::Refusal(refusal, _, support) => {
                Some((support.to_string(), format!("`{{{{ support }}}}`; the page for {refusal} does not")))
            }
            Self::Landing(_) => Some(("<form method=\"post\">".to_owned(), "the button: `<form method=\"post\">`".to_owned())),
            Self::Started(_) | Self::Order(_) => None,
        }
    }
}

/// All states of the page of one template.
pub(super) struct Samples {
    pub(super) template: &'static str,
    pub(super) all: Vec<Sample>,
}

/// All pages.
pub(super) fn all() -> Vec<Samples> {
    let mut all: Vec<Samples> = Refusal::ALL.iter().map(|refusal| of_refusal(*refusal)).collect();
    all.push(Samples { template: templates::LANDING, all: landing::samples().into_iter().map(Sample::Landing).collect() });
    all.push(Samples { template: templates::STARTED, all: started::samples().into_iter().map(Sample::Started).collect() });
    all.push(Samples { template: templates::ORDER, all: order::samples().into_iter().map(Sample::Order).collect() });
    all
}

fn of_refusal(refusal: Refusal) -> Samples {
    let support = |request| RequestId::parse(request).map(|request| SupportCode::of(&request));
    let mut samples: Vec<Sample> =
        ["sample-1", "sample-2"].into_iter().filter_map(support).map(|support| Sample::Refusal(refusal, None, support)).collect();
    let template = match refusal {
        Refusal::DownloadRunning => {
            for (running, support) in running::samples().into_iter().filter_map(|running| Some((running, support("sample-3")?))) {
                samples.push(Sample::Refusal(refusal, Some(running), support));
            }
            templates::DOWNLOAD_RUNNING
        }
        _ => templates::REFUSAL,
    };
    Samples { template, all: samples }
}
