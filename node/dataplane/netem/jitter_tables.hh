// Distributions of jitter as netem wants them: values at even steps of the distribution's
// function, in units of 1/8192 of what it is told as jitter. A value holds at most 4 of
// that, so a distribution with a long tail is told a multiple. They are those of
// model/draw.hh.
#pragma once

#include <cstdint>
#include <span>

#include "model/link_properties.hh"

namespace pleat {

struct JitterTable {
    std::span<const std::int16_t> values;  // live as long as the program
    int multiple = 1;
};

JitterTable jitter_table(JitterDistribution distribution);

}  // namespace pleat
