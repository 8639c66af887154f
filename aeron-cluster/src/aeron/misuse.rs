//! What the types do not let a program write. Each example compiles without the line that is marked, and is compiled with it
//! by the tests of the documentation.

/// An exclusive publication is not shared: its tail is not atomic.
///
/// ```
/// fn moves<T: Send>() {}
/// moves::<aeron_cluster::aeron::ExclusivePublication>();
/// ```
/// ```compile_fail,E0277
/// fn shares<T: Sync>() {}
/// shares::<aeron_cluster::aeron::ExclusivePublication>(); // this
/// ```
///
/// Nor are a subscription and an image, which one thread polls.
///
/// ```compile_fail,E0277
/// fn shares<T: Sync>() {}
/// shares::<aeron_cluster::aeron::Subscription>(); // this
/// ```
/// ```compile_fail,E0277
/// fn shares<T: Sync>() {}
/// shares::<aeron_cluster::aeron::Image>(); // this
/// ```
///
/// A claim stays with the thread that made it, and a header with its callback.
///
/// ```compile_fail,E0277
/// fn moves<T: Send>() {}
/// moves::<aeron_cluster::aeron::BufferClaim<'static>>(); // this
/// ```
/// ```compile_fail,E0277
/// fn moves<T: Send>() {}
/// moves::<aeron_cluster::aeron::Header<'static>>(); // this
/// ```
struct Threads;

/// A header, or a message, does not leave its callback.
///
/// ```
/// fn position(subscription: &mut aeron_cluster::aeron::Subscription) -> aeron_cluster::Result<i64> {
///     let mut position = 0;
///     subscription.poll(1, |_, header| position = header.position())?;
///     Ok(position)
/// }
/// ```
/// ```compile_fail,E0521
/// fn position(subscription: &mut aeron_cluster::aeron::Subscription) -> aeron_cluster::Result<i64> {
///     let mut kept = None;
///     subscription.poll(1, |_, header| kept = Some(*header))?; // this
///     Ok(kept.map_or(0, |header| header.position()))
/// }
/// ```
/// ```compile_fail,E0521
/// fn length(subscription: &mut aeron_cluster::aeron::Subscription) -> aeron_cluster::Result<usize> {
///     let mut kept: &[u8] = &[];
///     subscription.poll(1, |message, _| kept = message)?; // this
///     Ok(kept.len())
/// }
/// ```
struct Escapes;

/// A handler of the conductor's errors is called on another thread, at any time.
///
/// ```
/// let errors = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
/// let context = aeron_cluster::aeron::Context::new().on_error(move |_| {
///     errors.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
/// });
/// ```
/// ```compile_fail,E0277
/// let errors = std::rc::Rc::new(std::cell::Cell::new(0)); // this
/// let context = aeron_cluster::aeron::Context::new().on_error(move |_| errors.set(1));
/// ```
/// ```compile_fail,E0597
/// let context;
/// {
///     let errors = std::sync::atomic::AtomicU32::new(0); // this
///     let errors = &errors;
///     context = aeron_cluster::aeron::Context::new().on_error(move |_| {
///         errors.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
///     });
/// }
/// drop(context);
/// ```
struct Handlers;

/// A claim does not outlive its publication, and an exclusive publication has one at a time.
///
/// ```
/// use aeron_cluster::aeron::{ExclusivePublication, OfferError};
/// fn claim(mut publication: ExclusivePublication) -> Result<i64, OfferError> {
///     let position = publication.try_claim(8)?.commit();
///     drop(publication);
///     Ok(position)
/// }
/// ```
/// ```compile_fail,E0505
/// use aeron_cluster::aeron::{OfferError, Publication};
/// fn claim(publication: Publication) -> Result<i64, OfferError> {
///     let claim = publication.try_claim(8)?;
///     drop(publication); // this
///     Ok(claim.commit())
/// }
/// ```
/// ```compile_fail,E0499
/// use aeron_cluster::aeron::{ExclusivePublication, OfferError};
/// fn claim(mut publication: ExclusivePublication) -> Result<i64, OfferError> {
///     let first = publication.try_claim(8)?;
///     let second = publication.try_claim(8)?; // this
///     second.commit();
///     Ok(first.commit())
/// }
/// ```
struct Claims;

/// An image is not polled beside its subscription, and is gone before it.
///
/// ```compile_fail,E0382
/// use aeron_cluster::aeron::{Action, Subscription};
/// fn both(mut subscription: Subscription) {
///     if let Ok(mut image) = subscription.into_image(1) {
///         let _ = image.controlled_poll(1, |_, _| Action::Continue);
///         let _ = subscription.poll(1, |_, _| {}); // this
///     }
/// }
/// ```
/// ```compile_fail,E0499
/// use aeron_cluster::aeron::Subscription;
/// fn both(mut subscription: Subscription) -> Option<i64> {
///     let image = subscription.image_by_session_id(1)?;
///     let _ = subscription.poll(1, |_, _| {}); // this
///     Some(image.position())
/// }
/// ```
/// ```compile_fail,E0505
/// use aeron_cluster::aeron::Subscription;
/// fn closed(mut subscription: Subscription) -> Option<i64> {
///     let image = subscription.image_by_session_id(1)?;
///     drop(subscription); // this
///     Some(image.position())
/// }
/// ```
struct Images;
