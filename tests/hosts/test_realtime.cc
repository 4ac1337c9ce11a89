#include <thread>

#include <catch2/catch.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include "base/realtime.hh"

namespace pleat {

namespace {

// On a thread of its own, so that the test's keeps what it has.
template <typename Body>
void with_realtime_priority(Body body) {
    bool taken = false;
    std::jthread{[&] {
        taken = take_realtime_priority();
        if (taken) body();
    }}.join();
    if (!taken) WARN("SKIPPED, real-time priority is not allowed here: not tried");
}

}  // namespace

TEST_CASE("real-time priority is for the thread that takes it, and nothing that it starts") {
    CHECK_FALSE(has_realtime_priority());
    with_realtime_priority([] {
        CHECK(has_realtime_priority());

        bool inherited_by_thread = true;
        std::jthread{[&] { inherited_by_thread = has_realtime_priority(); }}.join();
        CHECK_FALSE(inherited_by_thread);

        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) ::_exit(has_realtime_priority() ? 1 : 0);
        int status = -1;
        REQUIRE(::waitpid(child, &status, 0) == child);
        CHECK(status == 0);
    });
    CHECK_FALSE(has_realtime_priority());
}

}  // namespace pleat
