#include "controller/node_registry.hh"

#include "base/log.hh"

namespace pleat {

void Caller::refuse(const std::string& why, int exit_code) const {
    log::info("refused: {}", why);
    say(Refused{.message = why, .exit_code = exit_code});
}

void Caller::answer(const ControlMessage& message) const {
    if (const auto* refused = std::get_if<Refused>(&message)) {
        return refuse(refused->message, refused->exit_code);
    }
    say(message);
}

bool Node::send_probe() {
    const ClockPing ping{.sequence = ++last_probe, .sent = monotonic_now()};
    return connected && peer.say(ping);
}

void Node::measure(const ClockPong& pong, Instant now) {
    if (pong.sequence != last_probe) return;
    const ClockPong counted{.sequence = clock.ping(pong.ping_sent).sequence,
                            .ping_sent = pong.ping_sent,
                            .at = pong.at};
    static_cast<void>(clock.pong(counted, now));
}

bool NodeRegistry::arrive(const Caller& caller, bool remote, const Hello& hello) {
    Node* const known = find(hello.node);
    const bool another = known != nullptr && known->hello.incarnation != hello.incarnation;
    if (another && known->peer != caller && known->send_probe()) return false;
    nodes_[hello.node] = Node{.peer = caller, .hello = hello, .remote = remote};
    return true;
}

Node* NodeRegistry::find(const std::string& name) {
    const auto found = nodes_.find(name);
    return found == nodes_.end() ? nullptr : &found->second;
}

std::vector<Hello> NodeRegistry::present() const {
    std::vector<Hello> result;
    for (const auto& [name, node] : nodes_) {
        if (node.connected) result.push_back(node.hello);
    }
    return result;
}

std::vector<Node*> NodeRegistry::probe() {
    std::vector<Node*> gone;
    for (auto& [name, node] : nodes_) {
        if (node.connected && !node.send_probe()) gone.push_back(&node);
    }
    return gone;
}

}  // namespace pleat
