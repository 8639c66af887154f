#include "aeronc.h"
#include "aeron_counters.h"
#include "aeronmd.h"
#include "client/aeron_archive.h"
