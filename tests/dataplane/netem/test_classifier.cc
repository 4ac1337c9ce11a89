#include <iostream>

#include <catch2/catch.hpp>
#include <unistd.h>

#include "base/error.hh"
#include "node/dataplane/netem/classifier.hh"

using namespace pleat;
using namespace std::chrono_literals;

TEST_CASE("the kernel takes the classifier") {
    if (::geteuid() != 0) {
        std::cerr << "SKIPPED: BPF needs root\n";
        return;
    }
    Classifier classifier{AddressPlan{}, 3, false, 100ms};
    CHECK(classifier.egress_program() >= 0);
    const auto source = classifier.add_source(2);
    CHECK(source->rows.all().size() == 3);
}
