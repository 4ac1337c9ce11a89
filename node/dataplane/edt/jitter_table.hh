// Tables of quantiles of the distributions of jitter, for a program that knows no floating
// point; see EDT_JITTER_STEPS in bpf/shared/edt.h.
#pragma once

#include <cstdint>
#include <span>

#include "bpf/shared/edt.h"
#include "model/link_properties.hh"

namespace pleat {

// Fills the table of one distribution: entry i is its quantile at i / EDT_JITTER_STEPS, in
// 1/2^EDT_JITTER_SHIFT of the jitter. Where a quantile is infinite (the ends of normal) it
// is what gives the last step the right mean.
void fill_jitter_table(JitterDistribution distribution,
                       std::span<std::int32_t, EDT_JITTER_STEPS + 1> table);

}  // namespace pleat
