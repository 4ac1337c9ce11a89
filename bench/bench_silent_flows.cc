// The memory that a silent pair of hosts takes in the tun plane's engine and in the
// sharer: while both know it (all pairs send within seconds), and when most are forgotten
// (the hosts take turns).
//
//     bench_silent_flows [HOSTS]      all ordered pairs of them send one packet each
#include <cstdio>
#include <cstdlib>
#include <string>

#include <malloc.h>

#include "model/epochs.hh"
#include "node/dataplane/engine.hh"
#include "node/sharing/sharer.hh"
#include "tests/sharing/dumbbell.hh"

using namespace pleat;
using namespace pleat::testing;
using namespace std::chrono_literals;

namespace {

// A plane and a sharer in one thread, and a clock that is turned by hand.
class OneMachine : public Exit {
  public:
    explicit OneMachine(std::uint32_t hosts)
        : scenario_{dumbbell(hosts / 2, Bandwidth::bits_per_second(1'000'000'000))},
          folder_{scenario_},
          table_{std::make_shared<const PathTable>(compute_epochs(scenario_).base)},
          sharer_{folder_, table_, {}},
          engine_{1, hosts, *this} {
        engine_.switch_paths([this](FlowKey flow) { return flow_shape(folder_, *table_, flow); },
                             now_);
    }

    void ping(FlowKey flow) {
        engine_.arrive(flow, {.packet = 0, .protocol = 1, .segment_bytes = 84, .tail_bytes = 84},
                       now_);
    }

    void pass(Duration time) {
        for (const Instant end = now_ + time; now_ < end && !sharer_.idle();) {
            now_ += 10ms;
            engine_.advance(now_);
            sharer_.tick(now_);
        }
        sharer_.sample(now_);
        now_ += time;
        engine_.advance(now_);
    }

    std::size_t flows() const { return engine_.flows() + sharer_.flows(); }

  private:
    void deliver(const Train&, HostId) override {}

    void hold(std::uint32_t) override {}

    void release(std::uint32_t) override {}

    void flow_started(FlowKey flow, Instant at,
                      const std::shared_ptr<const FlowCounters>& counters) override {
        sharer_.flow_started({flow, at, counters}, at);
    }

    Instant now_{1000s};
    Scenario scenario_;
    PathFolder folder_;
    std::shared_ptr<const PathTable> table_;
    Sharer sharer_;
    Engine engine_;
};

double in_use() {
    const struct mallinfo2 info = ::mallinfo2();
    return static_cast<double>(info.uordblks + info.hblkhd);
}

// All pairs send, one host's after another's; bytes a pair at the end.
void measure(std::uint32_t hosts, Duration between_hosts) {
    OneMachine machine{hosts};
    const double empty = in_use();
    for (std::uint32_t a = 0; a < hosts; ++a) {
        for (std::uint32_t b = 0; b < hosts; ++b) {
            if (a != b) machine.ping({HostId{a}, HostId{b}});
        }
        machine.pass(between_hosts);
    }
    const double pairs = static_cast<double>(hosts) * (hosts - 1);
    std::printf("%.0f pairs, a host each %.2f s: %.0f bytes a pair, %zu elements known\n", pairs,
                static_cast<double>(between_hosts.count()) / 1e9, (in_use() - empty) / pairs,
                machine.flows());
}

}  // namespace

int main(int argc, char** argv) {
    const auto hosts = static_cast<std::uint32_t>(argc > 1 ? std::stoul(argv[1]) : 500);
    measure(hosts, 10ms);
    measure(hosts, 31s);
    return EXIT_SUCCESS;
}
