#include <set>

#include <catch2/catch.hpp>

#include "base/capabilities.hh"
#include "base/process.hh"

namespace pleat {

TEST_CASE("every probe has a name and a finding, and a hint exactly when it is not good") {
    std::set<std::string> names;
    for (const Probe& probe : probe_machine()) {
        INFO(probe.name << ": " << probe.text);
        CHECK(names.insert(probe.name).second);
        CHECK_FALSE(probe.text.empty());
        CHECK(probe.hint.empty() == probe.ok);
    }
    CHECK(names.size() == 7);
}

TEST_CASE("a program's probe agrees with PATH") {
    CHECK(probe_slirp4netns().ok == find_program("slirp4netns").has_value());
    CHECK_FALSE(probe_slirp4netns().needed);
}

}  // namespace pleat
