//! Every call there is.

use axum::routing::post;

use super::calls::{Call, Calls};
use super::told::does;
use super::{
    About, Amended, ApiKeyView, Application, AppliedView, CredentialPage, CredentialView, CustomerPage, DeedView, DeliveryView, Evidence,
    Explanation, Extension, FilePage, FileView, ForgetOrder, ForgottenView, GrantPage, GrantView, Handed, IMPORT_BYTES_MAX, ImportView,
    Issued, LINES_BYTES_MAX, LaneView, ListedDelivery, ListedOrder, MessageView, MissingProduct, NewApiKey, NewApiKeyView, NewFile,
    NewGrant, NewImport, NewLetter, NewLink, NewName, NewOrder, NewPlace, NewState, NewVersion, OrderPageView, OrderView, OrphansView,
    PolicyView, ProductView, PublicPage, RemovedFile, RemovedProduct, ReplacedFile, Retried, RevokedApiKey, RevokedLink, RotatedView,
    Rotation, ScanView, Stats, SweepOrder, SweepView, What,
};
use super::{
    about, api_keys, credentials, customers, deeds, deliveries, evidence, explain_what, files, grants, imports, links, openapi, orders,
    outbox, products, public, reports, stats,
};
use crate::domain::api_key::Scope::{Admin, Catalogue, Grants, Orders, Read};

/// What can be called, and by whom.
pub(super) fn calls() -> Calls {
    of_upkeep(of_people(of_outbox(of_what_is_shown(of_catalogue(of_sales(of_grants(Calls::default())))))))
}

/// Grants and their links.
fn of_grants(calls: Calls) -> Calls {
    calls
        .get("/api/v1/grants", Read, does("The newest grants.").asked::<grants::Which>().lists::<GrantView>(), grants::list)
        .make("/api/v1/grants", Grants, does("Makes a grant and its first link.").takes::<NewGrant>().answers::<Issued>(), grants::add)
        .get("/api/v1/grants/{id}", Read, does("A grant with its links, deliveries and history.").answers::<GrantPage>(), grants::show)
        .post("/api/v1/grants/{id}/suspend", Grants, does("Shuts a grant for now.").answers::<Amended>(), grants::suspend)
        .post("/api/v1/grants/{id}/resume", Grants, does("Opens a grant that was suspended.").answers::<Amended>(), grants::resume)
        .post("/api/v1/grants/{id}/revoke", Grants, does("Shuts a grant for good.").answers::<Amended>(), grants::revoke)
        .post("/api/v1/grants/{id}/reset", Grants, does("Lets a grant begin anew.").answers::<Amended>(), grants::reset)
        .post(
            "/api/v1/grants/{id}/extend",
            Grants,
            does("Gives a grant time or downloads.").takes::<Extension>().answers::<Amended>(),
            grants::extend,
        )
        .make(
            "/api/v1/grants/{id}/links",
            Grants,
            does("Makes one more link of a grant.").takes::<NewLink>().answers::<Issued>(),
            links::add,
        )
        .get(
            "/api/v1/grants/{id}/evidence",
            Read,
            does("What happened under a grant, for a dispute.").answers::<Evidence>(),
            evidence::evidence,
        )
        .post("/api/v1/links/{id}/revoke", Grants, does("Withdraws a link.").answers::<RevokedLink>(), links::revoke)
}

/// What shops report, and what they sell.
fn of_sales(calls: Calls) -> Calls {
    calls
        .get("/api/v1/orders", Read, does("The newest orders.").asked::<orders::Which>().lists::<ListedOrder>(), orders::list)
        .get("/api/v1/orders/{id}", Read, does("An order with what was sold.").answers::<OrderView>(), orders::show)
        .post("/api/v1/orders/{id}/page", Orders, does("The page of an order, for its customer.").answers::<OrderPageView>(), orders::page)
        .post(
            "/api/v1/orders/{id}/renew-page",
            Orders,
            does("Gives the page of an order another URL; those before show nothing.").answers::<OrderPageView>(),
            orders::renew_page,
        )
        .post(
            "/api/v1/orders/{id}/state",
            Orders,
            does("Takes what became of an order.").takes::<NewState>().answers::<OrderView>(),
            orders::set,
        )
}

/// What is sold: files, products and policies.
fn of_catalogue(calls: Calls) -> Calls {
    of_products(calls)
        .get("/api/v1/files", Read, does("Files of the catalogue.").asked::<files::Which>().lists::<FileView>(), files::list)
        .make_once(
            ("/api/v1/files", Catalogue, "`cloakroom file list` shows whether the file is in the catalogue"),
            does("Adds a file to the catalogue.").takes::<NewFile>().answers::<FileView>(),
            files::add,
        )
        .get(
            "/api/v1/files/scan",
            Read,
            does("What is known of the masters.").asked::<files::WhichScan>().answers::<ScanView>(),
            files::scanned,
        )
        .post("/api/v1/files/scan", Catalogue, does("Has all masters looked at and read.").answers::<ScanView>(), files::scan)
        .get(
            "/api/v1/files/orphans",
            Read,
            does("Masters that no file of the catalogue names.").asked::<files::Where>().answers::<OrphansView>(),
            files::orphans,
        )
        .get("/api/v1/files/{id}", Read, does("A file of the catalogue with its versions.").answers::<FilePage>(), files::show)
        .delete(
            "/api/v1/files/{id}",
            Catalogue,
            does("Takes a file out of the catalogue; its master stays.").asked::<files::How>().answers::<RemovedFile>(),
            files::remove,
        )
        .make_once(
            (
                "/api/v1/files/{id}/versions",
                Catalogue,
                "`cloakroom file show` lists the versions of the file, and since when each is there",
            ),
            does("Gives a file another version.").takes::<NewVersion>().answers::<ReplacedFile>(),
            files::replace,
        )
        .post(
            "/api/v1/files/{id}/move",
            Catalogue,
            does("Says where the master of a file lies now.").takes::<NewPlace>().answers::<ReplacedFile>(),
            files::move_to,
        )
        .post(
            "/api/v1/files/{id}/rename",
            Catalogue,
            does("Gives a file another name or folder.").takes::<NewName>().answers::<FileView>(),
            files::rename,
        )
}

/// Products, and the policies of what is sold.
fn of_products(calls: Calls) -> Calls {
    calls
        .get("/api/v1/products", Read, does("Products.").asked::<products::Which>().lists::<ProductView>(), products::list)
        .get(
            "/api/v1/products/missing",
            Read,
            does("SKUs that orders have and no product.").asked::<products::Which>().lists::<MissingProduct>(),
            products::missing,
        )
        .get("/api/v1/products/{sku}", Read, does("A product with its files.").answers::<ProductView>(), products::show)
        .put(
            "/api/v1/products/{sku}",
            Catalogue,
            does("Makes a product, or puts it in the place of the one before.").takes::<ProductView>().answers::<ProductView>(),
            products::put,
        )
        .delete("/api/v1/products/{sku}", Catalogue, does("Forgets a product.").answers::<RemovedProduct>(), products::remove)
        .get("/api/v1/policies", Read, does("The policies of the configuration.").lists::<PolicyView>(), products::policies)
        .get("/api/v1/policies/{name}", Read, does("A policy, and the products that have it.").answers::<PolicyView>(), products::policy)
        .post(
            "/api/v1/policies/{name}/apply",
            Catalogue,
            does("Gives the limits of a policy to grants that were made before.").takes::<Application>().answers::<AppliedView>(),
            products::apply_policy,
        )
}

/// What there is to be seen.
fn of_what_is_shown(calls: Calls) -> Calls {
    calls
        .get(
            "/api/v1/deliveries",
            Read,
            does("The newest deliveries.").asked::<deliveries::Which>().lists::<ListedDelivery>(),
            deliveries::list,
        )
        .get(
            "/api/v1/deliveries/{id}",
            Read,
            does("A delivery with its requests; `newest` names the newest.").answers::<DeliveryView>(),
            deliveries::show,
        )
        .get("/api/v1/stats", Read, does("Numbers by hour or day.").asked::<stats::Which>().answers::<Stats>(), stats::stats)
        .post(
            "/api/v1/explain",
            Read,
            does("Every step of a decision, and what mends it.").takes::<What>().answers::<Explanation>(),
            explain_what,
        )
        .get("/api/v1/about", Read, does("The running daemon.").answers::<About>(), about::about)
        .get("/api/v1/openapi.json", Read, does("This document."), openapi::show)
}

/// People, and what is taken over from other shops.
fn of_people(calls: Calls) -> Calls {
    let import = Call { bytes_max: IMPORT_BYTES_MAX, ..Call::new("POST", "/api/v1/import", Admin) };
    let told =
        does("Takes over a part of what another shop sold; the same again changes nothing.").takes::<NewImport>().answers::<ImportView>();
    calls
        .call(import, told, post(imports::take_part))
        .get("/api/v1/customers/{who}", Admin, does("All that is kept about a customer.").answers::<CustomerPage>(), customers::show)
        .post(
            "/api/v1/customers/{who}/forget",
            Admin,
            does("Forgets who a customer is.").takes::<ForgetOrder>().answers::<ForgottenView>(),
            customers::forget_them,
        )
}

/// What leaves for webhooks and customers.
fn of_outbox(calls: Calls) -> Calls {
    calls
        .get("/api/v1/outbox", Read, does("The webhooks and the mail server, with what waits.").lists::<LaneView>(), outbox::lanes)
        .post(
            "/api/v1/outbox/{lane}/retry",
            Admin,
            does("Sends again all that was given up there.").answers::<Retried>(),
            outbox::retry_lane,
        )
        .get("/api/v1/messages", Read, does("The newest messages.").asked::<outbox::Which>().lists::<MessageView>(), outbox::list)
        .post("/api/v1/messages/{id}/retry", Admin, does("Sends a message again that was given up.").answers::<Retried>(), outbox::retry)
        .make(
            "/api/v1/webhooks/{name}/test",
            Admin,
            does("Tries whether a webhook is reached.").answers::<MessageView>(),
            outbox::test_webhook,
        )
        .make(
            "/api/v1/mail/test",
            Admin,
            does("Tries whether mail arrives.").takes::<NewLetter>().answers::<MessageView>(),
            outbox::test_mail,
        )
        .make(
            "/api/v1/grants/{id}/mail",
            Grants,
            does("Writes to the customer of a grant once more.").takes::<NewLetter>().answers::<MessageView>(),
            outbox::mail_grant,
        )
        .make(
            "/api/v1/orders/{id}/mail",
            Orders,
            does("Writes to the customer of an order once more.").takes::<NewLetter>().answers::<MessageView>(),
            outbox::mail_order,
        )
}

/// Public directories, reports, keys.
fn of_upkeep(calls: Calls) -> Calls {
    let reports_taken = Call { bytes_max: LINES_BYTES_MAX, ..Call::new("POST", "/api/v1/reports", Admin) };
    calls
        .make(
            "/api/v1/orders",
            Orders,
            does("Takes what a shop reports of an order: what is paid opens, what is taken back shuts.")
                .takes::<NewOrder>()
                .answers::<OrderView>(),
            orders::add,
        )
        .get(
            "/api/v1/public",
            Read,
            does("What lies in public directories, and why.").asked::<public::Which>().answers::<PublicPage>(),
            public::list,
        )
        .post(
            "/api/v1/public/sweep",
            Admin,
            does("Takes away what has to go, or tells what would.").takes::<SweepOrder>().answers::<SweepView>(),
            public::sweep,
        )
        .get(
            "/api/v1/credentials",
            Read,
            does("The newest user names of public directories.").asked::<credentials::Which>().lists::<CredentialView>(),
            credentials::list,
        )
        .get(
            "/api/v1/credentials/{user}",
            Admin,
            does("A user name of a public directory, with its password.").answers::<CredentialPage>(),
            credentials::show,
        )
        .make_once(
            ("/api/v1/directories/{name}/rotate", Admin, "`cloakroom credential list` shows the user names, and since when each opens"),
            does("Replaces the user names of a public directory.").takes::<Rotation>().answers::<RotatedView>(),
            credentials::replace,
        )
        .call(reports_taken, does("Settles lines of the web server's report.").takes_lines().answers::<Handed>(), post(reports::take))
        .get(
            "/api/v1/history",
            Admin,
            does("What was done over the API, the newest first.").asked::<deeds::Which>().lists::<DeedView>(),
            deeds::list,
        )
        .get("/api/v1/apikeys", Admin, does("The keys of the API, the newest first.").lists::<ApiKeyView>(), api_keys::list)
        .post(
            "/api/v1/apikeys",
            Admin,
            does("Makes a key, and tells its text once.").takes::<NewApiKey>().answers::<NewApiKeyView>(),
            api_keys::add,
        )
        .post("/api/v1/apikeys/{id}/revoke", Admin, does("Refuses a key from now on.").answers::<RevokedApiKey>(), api_keys::revoke)
}
