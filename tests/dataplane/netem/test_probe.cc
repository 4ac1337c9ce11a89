#include <iostream>

#include <catch2/catch.hpp>

#include "node/dataplane/netem/netem_plane.hh"

using namespace pleat;

TEST_CASE("what is missing is named") {
    const std::string missing = missing_for_netem();
    if (missing.empty()) {
        std::cerr << "this kernel has all that netem needs\n";
    } else {
        std::cerr << "missing: " << missing << '\n';
        CHECK_THAT(missing, Catch::Contains("("));  // with the kernel's answer
    }
    CHECK(missing_for_netem() == missing);  // leaves nothing behind
}
