//! What may move to another thread and what may be shared, checked by the compiler. What may not is in `src/aeron/misuse.rs`.

use aeron_cluster::aeron::{
    Aeron, AsyncAdd, ChannelUri, Context, Counter, ExclusivePublication, FragmentAssembler, Image, OfferError,
    Publication, ReadableCounter, Subscription,
};
use aeron_cluster::driver::{DriverContext, MediaDriver};

const fn moves<T: Send + 'static>() {}
const fn is_shared<T: Send + Sync + 'static>() {}

const _: () = {
    is_shared::<Aeron>();
    is_shared::<Publication>();
    is_shared::<Counter>();
    is_shared::<ReadableCounter>();
    is_shared::<ChannelUri>();
    is_shared::<OfferError>();
    is_shared::<aeron_cluster::Error>();
    is_shared::<MediaDriver>();
    moves::<ExclusivePublication>();
    moves::<Subscription>();
    moves::<Image>();
    moves::<FragmentAssembler>();
    moves::<Context>();
    moves::<DriverContext>();
    moves::<AsyncAdd<Publication>>();
    moves::<AsyncAdd<ExclusivePublication>>();
    moves::<AsyncAdd<Subscription>>();
};
