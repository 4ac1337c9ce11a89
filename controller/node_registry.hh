// NodeRegistry: the nodes that have said hello, by name: where each is reached, whether it is
// still there, and how far its clock is from ours.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "controller/clock_measurement.hh"
#include "wire/control_socket.hh"

namespace pleat {

// One listening socket's peer. Peers of different doors may have the same name.
struct Caller {
    ControlServer* door = nullptr;
    std::string name;

    bool say(const ControlMessage& message, const std::string& run = {}) const {
        return door->send(name, message, run);
    }

    // Logs it, too.
    void refuse(const std::string& why, int exit_code = 1) const;

    // Says it, or refuses when it is Refused.
    void answer(const ControlMessage& message) const;

    friend bool operator==(const Caller&, const Caller&) = default;
};

struct Node {
    Caller peer;
    Hello hello;
    bool remote = false;  // by TCP: its connection may be lost and come back
    bool connected = true;
    ClockMeasurement clock{};
    std::uint32_t last_probe = 0;  // that was sent

    // Its answer measures its clock and its round trip. False when it can't be sent: so is a node
    // found that has died without a word.
    bool send_probe();

    // Probes are exchanges of clocks, too. Those that are not answers to the last are passed over.
    void measure(const ClockPong& pong, Instant now);
};

class NodeRegistry {
  public:
    // Of a hello of our protocol. False: another node of that name is connected; else it is the
    // one of that name from now on.
    bool arrive(const Caller& caller, bool remote, const Hello& hello);

    // Nothing when it never said hello.
    Node* find(const std::string& name);

    void remove(const std::string& name) { nodes_.erase(name); }

    const std::map<std::string, Node>& all() const { return nodes_; }

    bool empty() const { return nodes_.empty(); }

    // Those that are connected.
    std::vector<Hello> present() const;

    // Those that are not connected any more, found by asking all.
    std::vector<Node*> probe();

  private:
    std::map<std::string, Node> nodes_;
};

}  // namespace pleat
