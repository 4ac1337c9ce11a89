// ControllerLink: a conversation with a running controller: a question, an answer.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.hh"
#include "cli/exit_code.hh"
#include "cli/output.hh"
#include "wire/membership.hh"
#include "wire/messages.hh"

namespace pleat {

// Where a controller is, and how to show ourselves to it.
struct ControllerPlace {
    std::string endpoint;
    std::optional<Pass> pass;
};

// By --controller, else by PLEAT_CONTROLLER; empty: by neither.
std::string controller_named(const std::string& given);

// That one. For tcp:// this user must have joined as an
// operator (`pleat machines join`). Fails with what to do.
Result<ControllerPlace> find_controller(const std::string& given);

// Where this user's membership of the controller at `endpoint` is kept.
std::string operator_file(const std::string& endpoint);

struct LinkFailure {
    ExitCode code = ExitCode::controller_unreachable;
    std::string message;
};

class ControllerLink {
  public:
    explicit ControllerLink(ControllerPlace place, Duration patience = std::chrono::seconds{10});
    ~ControllerLink();
    ControllerLink(const ControllerLink&) = delete;
    ControllerLink& operator=(const ControllerLink&) = delete;

    // The first answer of kind Answer. A Refused is a failure.
    template <typename Answer>
    tl::expected<Answer, LinkFailure> ask(const ControlMessage& question) {
        const auto is_answer = [](const ControlMessage& m) {
            return std::holds_alternative<Answer>(m);
        };
        auto answer = ask_for(question, is_answer, true);
        if (!answer) return tl::unexpected{answer.error()};
        return std::get<Answer>(*std::move(answer));
    }

    // The same, without a limit of time.
    template <typename Answer>
    tl::expected<Answer, LinkFailure> wait(const ControlMessage& question) {
        const auto is_answer = [](const ControlMessage& m) {
            return std::holds_alternative<Answer>(m);
        };
        auto answer = ask_for(question, is_answer, false);
        if (!answer) return tl::unexpected{answer.error()};
        return std::get<Answer>(*std::move(answer));
    }

    // What `is_answer` holds for; `limited`: in time. `until`: with the code `timeout` when it has
    // not come by then.
    tl::expected<ControlMessage, LinkFailure> ask_for(
        const ControlMessage& question, const std::function<bool(const ControlMessage&)>& is_answer,
        bool limited, std::optional<Instant> until = {});

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace pleat
