// A cluster: machines are network namespaces with a pleat-node each, an underlay bridge in
// a namespace of its own, the controller in another one. As root.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/system/delayed_network.hh"
#include "tests/system/workplace.hh"

namespace pleat::system_test {

class Cluster {
  public:
    // `road`: between the machines; by default there is a bridge. `strangers`: more namespaces
    // in the same network, without a node, with the numbers after the machines'.
    explicit Cluster(std::size_t machines, const Road& road = {}, std::size_t strangers = 0);
    ~Cluster();
    Cluster(const Cluster&) = delete;
    Cluster& operator=(const Cluster&) = delete;

    void start_controller();
    std::string token() const;
    Command node_command(std::size_t i, const std::string& token) const;
    void join(std::size_t i);
    bool connected(std::size_t i) const;

    Ended pleat(std::vector<std::string> arguments,
                Duration patience = std::chrono::seconds{60}) const;

    std::string endpoint() const { return "ipc://" + place.path("ctl") + "/control"; }

    std::string submit(const std::string& file, const std::vector<std::string>& flags = {}) const;

    // What a host has written, as the controller has it.
    std::string log(const std::string& run, const std::string& host) const;

    // The last byte of the machine's address, 10.99.0.N.
    static std::uint8_t last_byte(std::size_t i) { return static_cast<std::uint8_t>(10 + i); }

    // A program on the machine; 0 is the controller's.
    Command in(std::size_t i, std::vector<std::string> words) const;

    // Gone also when the cluster could not be made whole.
    struct Namespaces {
        const Workplace& place;
        std::vector<std::string> names;

        ~Namespaces();
    };

    Workplace place;
    Namespaces namespaces{place, {}};
    std::optional<DelayedNetwork> far;
    std::optional<Program> controller;
    std::vector<std::optional<Program>> nodes;
    std::map<std::size_t, std::vector<std::string>> before_node;  // what starts it, by number

  private:
    void ip(std::vector<std::string> arguments);
    void add_namespace(std::size_t i, const Road& road);
};

bool can_make_machines();

// Says what a part of a test took.
void timed(const std::string& part, const std::function<void()>& run);

// A topology file: three clients and servers of iperf3, in pairs by name, so that each machine of
// three has a pair. All flows share one link of 60 Mbps. Ends so that more sections can follow.
std::string three_pairs(const std::string& duration, const std::string& client_options);

}  // namespace pleat::system_test
