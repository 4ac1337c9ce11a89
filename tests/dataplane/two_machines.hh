// TwoMachines: a small topology whose hosts are on two machines: a network namespace each, with a
// tun plane of its own, joined by a veth pair.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "tests/dataplane/test_host.hh"

namespace pleat::testing {

class TwoMachines {
  public:
    struct Options {
        bool encrypt = false;
        bool wrong_key = false;       // the second machine's
        Duration underlay_latency{};  // what the planes are told
        int mtu = 1500;               // of the veth pair
        bool segment = true;  // the veth pair takes many in one: else the kernel cuts before it
    };

    // Lines as topology() has them; hosts named in `second` are on the second machine.
    TwoMachines(const std::vector<std::string>& lines, const std::vector<std::string>& second,
                Options options);

    TwoMachines(const std::vector<std::string>& lines, const std::vector<std::string>& second)
        : TwoMachines{lines, second, Options{}} {}

    const TestHost& host(const std::string& name) const { return *hosts_.at(name); }

    DataPlane& plane(std::size_t machine) { return *planes_.at(machine); }

    FlowKey flow(const std::string& from, const std::string& to) const;

    // Of the flow's source; nothing before it has been reported there.
    std::shared_ptr<const FlowCounters> counters(FlowKey flow);

    void await(const std::function<bool()>& done, Duration limit = std::chrono::seconds{20});
    void pass(Duration time);

    // Round-trip times, sorted; lost ones are missing.
    std::vector<Duration> ping(const std::string& from, const std::string& to, int count,
                               Duration interval, bool v6 = false) const;

    // On a thread that is in the machine's namespace.
    void inside(std::size_t machine, const std::function<void()>& action) const;

    Program start(std::size_t machine, const std::vector<std::string>& arguments) const;

    // Of the machine's end of the veth pair.
    static std::string underlay_address(std::size_t machine);

    boost::asio::ip::udp::endpoint endpoint(std::size_t machine) const {
        return endpoints_.at(machine);
    }

  private:
    void join(const Options& options);
    void settle();

    AddressPlan plan_;
    Topology topology_;
    PathFolder folder_;
    std::array<FileDescriptor, 2> namespaces_;
    std::array<boost::asio::ip::udp::endpoint, 2> endpoints_;
    std::map<std::string, std::unique_ptr<TestHost>> hosts_;
    std::vector<FlowStarted> started_;
    int activated_ = 0;
    boost::asio::io_context loop_;
    std::array<std::unique_ptr<DataPlane>, 2> planes_;
};

}  // namespace pleat::testing
