// pleat logs, exec: hosts of a run on a running controller.
#include <ctime>

#include "cli/commands.hh"
#include "cli/controller_link.hh"
#include "cli/run_names.hh"

namespace pleat {
namespace {

ExitCode failed(const LinkFailure& failure, Output& output) {
    output.error(failure.message);
    return failure.code;
}

// Output is looked for so often while there is none.
void pause() {
    constexpr timespec kPause{0, 200'000'000};
    ::nanosleep(&kPause, nullptr);
}

ExitCode print_log(ControllerLink& link, const HostVerbArguments& arguments, Output& output) {
    ReadOutput question{.run = arguments.run, .host = arguments.host, .offset = 0, .ticket = 0};
    while (true) {
        ++question.ticket;
        const auto piece = link.ask<OutputPiece>(question);
        if (!piece) return failed(piece.error(), output);
        output.data(piece->bytes);
        if (arguments.follow) flush_stdout();  // who reads it has nothing else to wait for
        question.offset += piece->bytes.size();
        if (question.offset < piece->size) continue;
        if (!arguments.follow || piece->over) return ExitCode::ok;
        pause();
    }
}

ExitCode run_command(ControllerLink& link, const HostVerbArguments& arguments, Output& output) {
    int exit_code = 0;
    const auto is_last = [&](const ControlMessage& message) {
        const auto* const ran = std::get_if<RanOnHost>(&message);
        if (ran == nullptr) return false;
        output.data(ran->output);
        flush_stdout();  // who reads it has nothing else to wait for
        exit_code = ran->exit_code.value_or(0);
        return ran->exit_code.has_value();
    };
    const RunOnHost question{
        .run = arguments.run, .host = arguments.host, .arguments = arguments.command, .ticket = 1};
    if (const auto ran = link.ask_for(question, is_last, false); !ran) {
        return failed(ran.error(), output);
    }
    return static_cast<ExitCode>(exit_code);
}

}  // namespace

ExitCode execute(const HostVerbArguments& given, Output& output) {
    const Result<ControllerPlace> place = find_controller(given.controller);
    if (!place) {
        output.error(place.error().message);
        return ExitCode::controller_unreachable;
    }
    ControllerLink link{*place};
    HostVerbArguments arguments = given;
    const auto run = find_run(link, given.run);
    if (!run) return failed(run.error(), output);
    arguments.run = run->run;
    if (arguments.command.empty()) return print_log(link, arguments, output);
    return run_command(link, arguments, output);
}

}  // namespace pleat
