#include "cli/controller_link.hh"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

#include "wire/control_socket.hh"

namespace pleat {
namespace {

using namespace std::chrono_literals;

// While we wait without a limit: a controller that is quiet for so long is asked for a
// sign of life, and one that gives none for so long is lost.
constexpr Duration kQuiet = 5s;
constexpr Duration kLost = 60s;

std::string variable(const char* name) {
    const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets it
    return value == nullptr ? "" : value;
}

}  // namespace

std::string operator_file(const std::string& endpoint) {
    std::string base = variable("XDG_CONFIG_HOME");
    if (!base.starts_with('/')) base = variable("HOME") + "/.config";
    std::string name = endpoint.substr(endpoint.find("://") + 3);
    std::ranges::replace(name, '/', '_');
    return base + "/pleat/controllers/" + name;
}

std::string controller_named(const std::string& given) {
    return given.empty() ? variable("PLEAT_CONTROLLER") : given;
}

Result<ControllerPlace> find_controller(const std::string& given) {
    const std::string endpoint = controller_named(given);
    if (endpoint.empty()) {
        return fail(
            "no controller is named: give --controller tcp://ADDRESS:7400 or "
            "ipc:///STATE/control, or set PLEAT_CONTROLLER");
    }
    if (!endpoint.starts_with("tcp://")) return ControllerPlace{endpoint, {}};
    const std::string file = operator_file(endpoint);
    if (!std::filesystem::exists(file)) {
        return fail(fmt::format(
            "no key for the controller at {0}: get a string from it with `pleat machines token "
            "--operator` (on its machine: --controller ipc:///STATE/control), and here: pleat "
            "machines join STRING",
            endpoint));
    }
    Result<Membership> membership = read_membership(file);
    if (!membership) return tl::unexpected{membership.error()};
    return ControllerPlace{endpoint, membership->pass()};
}

class ControllerLink::Impl {
  public:
    Impl(ControllerPlace place, Duration patience)
        : place_{std::move(place)},
          patience_{patience},
          client_{loop_,
                  place_.endpoint,
                  [this](const Sender&, ControlMessage message) {
                      heard_ = monotonic_now();
                      if (answer_) return;
                      if (const auto* refused = std::get_if<Refused>(&message)) {
                          answer_ = tl::unexpected{LinkFailure{.code = refusal_code(*refused),
                                                               .message = refused->message}};
                      } else if (is_answer_ && is_answer_(message)) {
                          answer_ = std::move(message);
                      }
                  },
                  {},
                  ClientConnection{.pass = place_.pass,
                                   .connected =
                                       [this] {
                                           // Perhaps another one, that has not heard us.
                                           if (std::exchange(connected_, true) && again_) {
                                               client_.send(*again_);
                                           }
                                       },
                                   .refused =
                                       [this](const std::string&) {
                                           if (answer_) return;
                                           answer_ = tl::unexpected{LinkFailure{
                                               .code = ExitCode::controller_unreachable,
                                               .message = fmt::format(
                                                   "the controller at {} does not know our key",
                                                   place_.endpoint)}};
                                       }}} {}

    tl::expected<ControlMessage, LinkFailure> ask(
        const ControlMessage& question, const std::function<bool(const ControlMessage&)>& is_answer,
        bool limited, std::optional<Instant> until) {
        answer_.reset();
        is_answer_ = is_answer;
        if (!limited) again_ = question;
        client_.send(question);
        heard_ = monotonic_now();
        const Instant deadline = heard_ + patience_;
        Instant look_at = heard_ + kQuiet;
        while (!answer_) {
            const Instant now = monotonic_now();
            if (until && now >= *until) {
                again_.reset();
                return tl::unexpected{
                    LinkFailure{.code = ExitCode::timeout, .message = "no answer in time"}};
            }
            if (now >= deadline && (limited || !connected_)) {
                return unreachable(
                    fmt::format("no answer from a controller at {}", place_.endpoint));
            }
            if (now >= heard_ + kLost) {
                return unreachable(
                    fmt::format("the controller at {} is gone and has not come back within {} s",
                                place_.endpoint, kLost / std::chrono::seconds{1}));
            }
            // Is it there still?
            if (!limited && now >= std::max(look_at, heard_ + kQuiet)) {
                client_.send(ListRuns{});
                look_at = now + kQuiet;
            }
            loop_.run_one_for(std::chrono::milliseconds{50});
        }
        again_.reset();
        return *std::exchange(answer_, std::nullopt);
    }

  private:
    static tl::unexpected<LinkFailure> unreachable(std::string why) {
        return tl::unexpected{
            LinkFailure{.code = ExitCode::controller_unreachable, .message = std::move(why)}};
    }

    // Of what there is not.
    static ExitCode refusal_code(const Refused& refused) {
        if (refused.message.starts_with("there is no ")) return ExitCode::not_found;
        return static_cast<ExitCode>(refused.exit_code);
    }

    ControllerPlace place_;
    Duration patience_;
    boost::asio::io_context loop_{1};
    std::function<bool(const ControlMessage&)> is_answer_;
    std::optional<tl::expected<ControlMessage, LinkFailure>> answer_;
    bool connected_ = false;
    std::optional<ControlMessage> again_;  // to be asked of a controller that is started anew
    Instant heard_;
    ControlClient client_;
};

ControllerLink::ControllerLink(ControllerPlace place, Duration patience)
    : impl_{std::make_unique<Impl>(std::move(place), patience)} {}

ControllerLink::~ControllerLink() = default;

tl::expected<ControlMessage, LinkFailure> ControllerLink::ask_for(
    const ControlMessage& question, const std::function<bool(const ControlMessage&)>& is_answer,
    bool limited, std::optional<Instant> until) {
    return impl_->ask(question, is_answer, limited, until);
}

}  // namespace pleat
