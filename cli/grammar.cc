#include "cli/grammar.hh"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <CLI/CLI.hpp>

#include "base/joined.hh"
#include "cli/verbs.hh"
#include "readers/unit_text.hh"

namespace pleat {
namespace {

using namespace std::chrono_literals;

constexpr const char* kSshFlag = "--ssh{@}";  // alone it is kRememberedDestination
constexpr const char* kRunNames =
    "the run: its id, or a beginning of it that no other has; @ is the latest, @~1 the one before";
constexpr std::uint32_t kMostRepeats = 10'000;

// The parser itself would take "-1" for a large number.
std::string refuse_negative(const std::string& text) {
    return text.starts_with('-') ? "expected a number from 0 on, found '" + text + "'" : "";
}

void add_data_plane(CLI::App& app, std::string& name) {
    app.add_option("--data-plane", name,
                   "what shapes packets (default: the best that works, see doctor)")
        ->type_name("NAME")
        ->check(CLI::IsMember({"edt", "netem", "tun"}));
}

}  // namespace

class Grammar::Impl {
  public:
    Impl();

    CLI::App& app() { return app_; }

    CommandLine result() const;

    const CLI::App* chosen() const {
        const auto verbs_named = app_.get_subcommands();
        return verbs_named.empty() ? nullptr : verbs_named.front();
    }

  private:
    CLI::App& verb(const std::string& name, const std::string& examples);

    void add_run();
    void add_validate();
    void add_paths();
    void add_expand_and_import();
    void add_shell();
    void add_care();
    void add_runs();
    void add_machines();
    void add_changes();
    void add_machines_by_ssh(CLI::App& action);

    static void add_controller(CLI::App& app, std::string& controller);
    static void add_ignore_network(CLI::App& app, bool& ignore_network);
    static void add_takeover(CLI::App& app, bool& takeover);
    static void add_topology(CLI::App& app, TopologyArguments& topology);
    static void add_variables(CLI::App& app, Variables& variables);

    CLI::App app_{"", "pleat"};
    bool quiet_ = false;
    bool no_colour_ = false;
    RunArguments run_;
    ValidateArguments validate_;
    PathsArguments paths_;
    ExpandArguments expand_;
    ImportArguments import_;
    ShellArguments shell_;
    DoctorArguments doctor_;
    CleanArguments clean_;
    CompletionArguments completion_;
    VersionArguments version_;
    SubmitArguments submit_;
    RunVerbArguments run_verb_;
    HostVerbArguments host_verb_;
    MachinesArguments machines_;
    ChangeArguments change_;
    std::vector<std::string> words_;  // of a change
    std::string samples_;
};

Grammar::Impl::Impl() {
    app_.add_flag("-q,--quiet", quiet_, "no progress and no notes");
    app_.add_flag("--no-color,--no-colour", no_colour_, "no colours (as NO_COLOR=1)");
    // Global flags are accepted behind the verb, too.
    app_.fallthrough();
    app_.require_subcommand(1);

    add_run();
    add_validate();
    add_paths();
    add_expand_and_import();
    add_shell();
    add_care();
    add_runs();
    add_machines();
    add_changes();
}

CLI::App& Grammar::Impl::verb(const std::string& name, const std::string& examples) {
    CLI::App& app = *app_.add_subcommand(name, std::string{find_verb(name)->summary});
    app.footer("Examples:\n" + examples);
    return app;
}

void Grammar::Impl::add_variables(CLI::App& app, Variables& variables) {
    app.add_option_function<std::vector<std::string>>(
           "--var",
           [&variables](const std::vector<std::string>& given) {
               for (const std::string& text : given) {
                   const std::size_t equals = text.find('=');
                   if (equals == std::string::npos || equals == 0) {
                       throw CLI::ValidationError{"--var",
                                                  "expected name=value, found '" + text + "'"};
                   }
                   variables.emplace_back(text.substr(0, equals), text.substr(equals + 1));
               }
           },
           "set a variable of the file's vars: block (may be repeated)")
        ->type_name("NAME=VALUE")
        ->allow_extra_args(false);
}

void Grammar::Impl::add_topology(CLI::App& app, TopologyArguments& topology) {
    app.add_option("FILE", topology.file, "the topology: YAML, or Kollaps XML")
        ->required()
        ->type_name("");
    add_variables(app, topology.variables);
    app.add_option("--seed", topology.seed, "seed of everything random, in place of the file's")
        ->type_name("N")
        ->check(refuse_negative, "");
    app.add_option("--set", topology.events,
                   "one more event, as in the file's events: block: '30s: set a--b 5Mbps'")
        ->type_name("'EVENT LINE'")
        ->allow_extra_args(false);
    app.add_option("--events", topology.events_file, "take the events: block from another file")
        ->type_name("FILE");
}

void Grammar::Impl::add_run() {
    CLI::App& app = verb("run",
                         "  pleat run topologies/dumbbell.yaml\n"
                         "  pleat run dumbbell.yaml --var rate=20Mbps --set '30s: down s1--s2'\n"
                         "  pleat run dumbbell.yaml --json > result.json");
    add_topology(app, run_.topology);
    app.add_flag("--no-apps", run_.no_applications, "start the hosts, but nothing on them");
    app.add_option("--repeat", run_.repeat, "run it N times, one after another")
        ->type_name("N")
        ->check(CLI::Range(std::uint32_t{1}, kMostRepeats, "1..10000"));
    add_data_plane(app, run_.data_plane);
    app.add_option("--samples", samples_,
                   "how often flows are sampled: none, 1s or 100ms (default: 100ms; 1s from "
                   "500 hosts on)")
        ->type_name("INTERVAL")
        ->check(CLI::IsMember({"none", "1s", "100ms"}));
    app.add_flag("--require-fidelity", run_.require_fidelity,
                 "exit with 4 unless the verdict is ok");
    app.add_option("--out", run_.out, "make the run's directory in DIR (default: pleat-runs)")
        ->type_name("DIR");
    add_controller(app, run_.controller);
    app.add_flag("--compare-shares", run_.compare_shares,
                 "for debugging: machines compare the shares that they compute, and the run fails "
                 "when they differ");
    app.add_flag("--encrypt", run_.encrypt,
                 "with --controller: encrypt what hosts send between machines");
    add_takeover(app, run_.takeover);
    add_ignore_network(app, run_.ignore_network);
    app.add_flag("--json", run_.json,
                 "print the results as one JSON document (with --repeat, one a line)");
}

void Grammar::Impl::add_validate() {
    CLI::App& app = verb("validate",
                         "  pleat validate topologies/*.yaml\n"
                         "  pleat validate mine.yaml --json\n"
                         "  pleat validate mine.yaml --machines --controller tcp://10.1.0.1:7400");
    app.add_option("FILE", validate_.files, "topology files")->required()->type_name("");
    add_variables(app, validate_.variables);
    app.add_flag("--machines", validate_.machines,
                 "also place the hosts on a controller's machines, and check that against the "
                 "network between them (see machines check)");
    add_controller(app, validate_.controller);
    app.add_flag("--json", validate_.json, "print the problems as one JSON document");
}

void Grammar::Impl::add_paths() {
    CLI::App& app = verb("paths",
                         "  pleat paths dumbbell.yaml\n"
                         "  pleat paths dumbbell.yaml 'client[0]' server --at 30s\n"
                         "  pleat paths dumbbell.yaml --machines --controller tcp://10.1.0.1:7400\n"
                         "  pleat paths dumbbell.yaml --stats --json");
    add_topology(app, paths_.topology);
    app.add_option("FROM", paths_.from, "a host, or a replicated name (default: all hosts)")
        ->type_name("");
    app.add_option("TO", paths_.to, "a host, or a replicated name")->type_name("");
    app.add_option("--at", paths_.at, "only the epoch at this time (default: all epochs)")
        ->type_name("TIME");
    app.add_flag("--machines", paths_.machines,
                 "also place the hosts on a controller's machines, and say what the network "
                 "between them takes of each latency (see machines check)");
    add_controller(app, paths_.controller);
    app.add_flag("--stats", paths_.stats, "print how many there are and how long it took");
    app.add_flag("--json", paths_.json, "print a JSON array");
}

void Grammar::Impl::add_expand_and_import() {
    CLI::App& expand = verb("expand", "  pleat expand dumbbell.yaml --var rate=20Mbps");
    add_topology(expand, expand_.topology);

    CLI::App& import = verb("import", "  pleat import kollaps experiment.xml > experiment.yaml");
    import.add_option("FORMAT", import_.format, "kollaps")
        ->required()
        ->type_name("")
        ->check(CLI::IsMember({"kollaps"}));
    import.add_option("FILE", import_.file, "the file to turn into YAML")
        ->required()
        ->type_name("");
}

void Grammar::Impl::add_shell() {
    CLI::App& app =
        verb("shell",
             "  pleat shell '40ms 10Mbps loss=1%' -- curl -sO https://example.org/\n"
             "  pleat shell 'rtt=70ms up=1Mbps down=10Mbps'\n"
             "\nThe other end of the link is this machine's own network. Input, output and "
             "terminal are\nthe command's, its exit code is pleat's.");
    app.add_option("LINK", shell_.link, "the link: latency, rate and more, as in a file")
        ->required()
        ->type_name("");
    app.add_option("COMMAND", shell_.command,
                   "after '--': the command and its arguments; none: your $SHELL")
        ->type_name("");
    app.add_option("--seed", shell_.seed, "seed of loss and jitter")
        ->type_name("N")
        ->check(refuse_negative, "");
    add_data_plane(app, shell_.data_plane);
    app.add_option("--out", shell_.out, "make the run's directory in DIR (default: pleat-runs)")
        ->type_name("DIR");
}

void Grammar::Impl::add_care() {
    CLI::App& doctor = verb("doctor", "  pleat doctor\n  pleat doctor --json");
    doctor.add_flag("--json", doctor_.json, "print the probes as one JSON document");

    CLI::App& clean = verb("clean", "  pleat clean --dry-run\n  pleat clean");
    clean.add_flag("-n,--dry-run", clean_.dry_run, "only say what would be removed");
    clean.add_flag("--json", clean_.json, "print what was done as one JSON document");

    CLI::App& completion = verb(
        "completion", "  pleat completion bash > ~/.local/share/bash-completion/completions/pleat");
    completion.add_option("SHELL", completion_.shell, "bash")
        ->required()
        ->type_name("")
        ->check(CLI::IsMember({"bash"}));

    CLI::App& version = verb("version", "  pleat version --json");
    version.add_flag("--json", version_.json, "print one JSON document");
}

void Grammar::Impl::add_controller(CLI::App& app, std::string& controller) {
    app.add_option("--controller", controller,
                   "a running controller: tcp://ADDRESS:7400 or ipc:///PATH (or set "
                   "PLEAT_CONTROLLER)")
        ->type_name("ENDPOINT");
}

void Grammar::Impl::add_ignore_network(CLI::App& app, bool& ignore_network) {
    app.add_flag("--ignore-network", ignore_network,
                 "go on although the network between the machines can't carry the placement");
}

void Grammar::Impl::add_takeover(CLI::App& app, bool& takeover) {
    app.add_flag("--takeover", takeover,
                 "with attach: machine:NAME: replace what others have put on the machine's "
                 "interface, and put it back at the end");
}

void Grammar::Impl::add_runs() {
    CLI::App& submit = verb("submit",
                            "  pleat submit dumbbell.yaml --controller tcp://10.1.0.1:7400\n"
                            "  pleat wait $(pleat submit dumbbell.yaml --start)");
    add_topology(submit, submit_.topology);
    add_controller(submit, submit_.controller);
    submit.add_flag("--start", submit_.start, "start it at once");
    submit.add_flag("--json", submit_.json, "print one JSON document");
    submit.add_flag("--encrypt", submit_.encrypt, "encrypt what hosts send between machines");
    add_takeover(submit, submit_.takeover);
    add_ignore_network(submit, submit_.ignore_network);

    CLI::App& up = verb("up", "  pleat up dumbbell.yaml\n  pleat down r-1f2e3d4c");
    add_topology(up, submit_.topology);
    add_controller(up, submit_.controller);
    up.add_flag("--json", submit_.json, "print one JSON document");
    up.add_flag("--encrypt", submit_.encrypt, "encrypt what hosts send between machines");
    add_takeover(up, submit_.takeover);
    add_ignore_network(up, submit_.ignore_network);

    const auto of_host = [this](const std::string& name, const std::string& examples) {
        CLI::App& app = verb(name, examples);
        add_controller(app, host_verb_.controller);
        app.add_option("HOST", host_verb_.host, "the host's name")->required()->type_name("");
        app.add_option("--run", host_verb_.run, std::string{kRunNames} + " (default: the latest)")
            ->type_name("RUN");
        return &app;
    };
    of_host("logs", "  pleat logs 'client[0]'\n  pleat logs -f server --run r-1f2e3d4c")
        ->add_flag("-f,--follow", host_verb_.follow, "go on until the run is over");
    of_host("exec", "  pleat exec 'client[0]' -- ping -c 3 server")
        ->add_option("COMMAND", host_verb_.command, "what to run there")
        ->required()
        ->type_name("");

    const auto add = [this](const std::string& name, bool of_run) {
        CLI::App& app =
            verb(name, of_run ? "  pleat " + name + " r-1f2e3d4c" : "  pleat ps --json");
        add_controller(app, run_verb_.controller);
        if (of_run) {
            app.add_option("RUN", run_verb_.run, kRunNames)->required()->type_name("");
        }
        return &app;
    };
    add("start", true);
    add("stop", true);
    add("down", true);
    CLI::App& wait = *add("wait", true);
    wait.add_flag("--json", run_verb_.json, "print one JSON document");
    wait.add_option_function<std::string>(
            "--timeout",
            [this](const std::string& text) {
                const Result<Duration> timeout = parse_duration(text);
                if (!timeout) throw CLI::ValidationError{"--timeout", timeout.error().message};
                run_verb_.timeout = *timeout;
            },
            "exit with 124 when it has not ended by then: 30s, 5m")
        ->type_name("DURATION");
    add("inspect", true)->add_flag("--json", run_verb_.json, "print one JSON document");
    add("ps", false)->add_flag("--json", run_verb_.json, "print one JSON document");
}

void Grammar::Impl::add_machines() {
    CLI::App& app = verb("machines",
                         "  pleat machines token            on the controller's machine\n"
                         "  pleat-node --join STRING --name m1    on the other machine\n"
                         "  pleat machines ls\n"
                         "  pleat machines add --ssh user@host --name m2    installs and joins");
    app.require_subcommand(1);
    const auto add = [this, &app](const std::string& name, const std::string& what,
                                  const std::string& object) {
        CLI::App& action = *app.add_subcommand(name, what);
        add_controller(action, machines_.controller);
        if (!object.empty()) {
            action.add_option(object, machines_.object, "")->required()->type_name("");
        }
        return &action;
    };
    add("ls", "list the machines", "")->add_flag("--json", machines_.json, "one JSON document");
    CLI::App& check =
        *add("check", "are all there? measures clocks and the network between them", "");
    check.add_flag("--json", machines_.json, "one JSON document");
    check.add_flag("--despite-runs", machines_.despite_runs,
                   "measure rates also between machines that have hosts of runs under way");
    add("token", "print a string with which one machine may join, once", "")
        ->add_flag("--operator", machines_.for_operator,
                   "one with which one user elsewhere may give orders");
    add_machines_by_ssh(
        *add("add", "the same as token, for a machine of this name; or by ssh, all of it", ""));
    add("rm", "remove a machine: its key is known no more", "NAME")
        ->add_flag(kSshFlag, machines_.ssh,
                   "also stop its node and remove what add --ssh has put there; --ssh=USER@HOST "
                   "when another user has added it");
    add("logs", "print the log of a node that add --ssh has started", "NAME")
        ->add_flag(kSshFlag, machines_.ssh, "--ssh=USER@HOST when another user has added it");
    add("join", "join with a string: this user as an operator, or this machine", "STRING")
        ->add_option("--name", machines_.name, "of this machine");
    add("label", "give a machine labels, in place of those that it has", "NAME")
        ->add_option("LABEL", machines_.labels, "")
        ->type_name("");
}

void Grammar::Impl::add_changes() {
    const auto add = [this](const std::string& name, const std::string& object,
                            const std::string& what, const std::string& examples) {
        CLI::App& app = verb(name, examples);
        add_controller(app, change_.controller);
        app.add_option("--run", change_.run,
                       std::string{kRunNames} + " (default: the only one under way)")
            ->type_name("RUN");
        app.add_flag("--json", change_.json, "print when it took effect as one JSON document");
        if (object.empty()) return;
        app.add_option(object, words_, what)->required()->type_name("");
    };
    add("set", "LINK", "a link, and what becomes of it, as in a file",
        "  pleat set s1--s2 90Mbps loss=0.1%\n  pleat set 'client[*]--s1' 10ms --run r-1f2e");
    add("do", "LINE", "lines of a file's events: block, without a time; several happen at once",
        "  pleat do 'set s1--s2 90Mbps'\n  pleat do 'down s1--s2' 'crash client[0]'");
    add("partition", "SIDE", "names, and | between the sides",
        "  pleat partition client '|' server");
    add("heal", "", "", "  pleat heal");
    add("link", "up|down|reset", "what to do, then the link",
        "  pleat link down s1--s2\n  pleat link reset s1--s2    as if no hand had changed it");
    add("mark", "TEXT", "the remark", "  pleat mark 'now the second server'");
}

void Grammar::Impl::add_machines_by_ssh(CLI::App& action) {
    action.add_option("NAME", machines_.object, "")->type_name("");
    CLI::Option* const ssh =
        action.add_option("--ssh", machines_.ssh, "install and start a node there by `ssh`");
    ssh->type_name("USER@HOST");
    action.add_option("--name", machines_.name, "with --ssh: of the machine (its own by default)")
        ->needs(ssh)
        ->excludes("NAME");
    action
        .add_option("--advertise", machines_.advertise,
                    "with --ssh: address by which other machines reach it")
        ->needs(ssh);
    action.add_option("--hosts", machines_.room, "with --ssh: hosts that it takes at most")
        ->needs(ssh)
        ->check(CLI::PositiveNumber);
}

CommandLine Grammar::Impl::result() const {
    CommandLine line{.quiet = quiet_, .no_colour = no_colour_, .verb = VersionArguments{}};
    const std::string& name = chosen()->get_name();
    if (name == "run") {
        RunArguments run = run_;
        if (samples_ == "none") run.samples = SampleChoice{std::nullopt};
        if (samples_ == "1s") run.samples = SampleChoice{1s};
        if (samples_ == "100ms") run.samples = SampleChoice{100ms};
        line.verb = std::move(run);
    }
    if (name == "validate") line.verb = validate_;
    if (name == "paths") line.verb = paths_;
    if (name == "expand") line.verb = expand_;
    if (name == "import") line.verb = import_;
    if (name == "shell") line.verb = shell_;
    if (name == "doctor") line.verb = doctor_;
    if (name == "clean") line.verb = clean_;
    if (name == "completion") line.verb = completion_;
    if (name == "version") line.verb = version_;
    if (name == "submit") line.verb = submit_;
    if (name == "up") {
        SubmitArguments arguments = submit_;
        arguments.start = true;
        arguments.up = true;
        line.verb = std::move(arguments);
    }
    if (name == "logs" || name == "exec") line.verb = host_verb_;
    using RunAction = RunVerbArguments::Action;
    constexpr std::array<std::pair<std::string_view, RunAction>, 6> kRunVerbs{
        {{"start", RunAction::start},
         {"stop", RunAction::stop},
         {"down", RunAction::down},
         {"ps", RunAction::list},
         {"wait", RunAction::wait},
         {"inspect", RunAction::inspect}}};
    for (const auto& [verb_name, action] : kRunVerbs) {
        if (name != verb_name) continue;
        RunVerbArguments arguments = run_verb_;
        arguments.action = action;
        line.verb = std::move(arguments);
    }
    constexpr std::array<std::string_view, 6> kChanges{"set",  "do",   "partition",
                                                       "heal", "link", "mark"};
    if (std::ranges::find(kChanges, name) != kChanges.end()) {
        ChangeArguments change = change_;
        const std::string words = joined(words_, " ");
        if (name == "do") {
            change.lines = words_;
        } else if (name == "link") {
            change.lines = {words};
        } else {
            change.lines = {words.empty() ? name : name + " " + words};
        }
        line.verb = std::move(change);
    }
    if (name == "machines") {
        using Action = MachinesArguments::Action;
        constexpr std::array<std::pair<std::string_view, Action>, 8> kActions{
            {{"ls", Action::list},
             {"token", Action::token},
             {"join", Action::join},
             {"add", Action::add},
             {"rm", Action::remove},
             {"label", Action::label},
             {"check", Action::check},
             {"logs", Action::logs}}};
        MachinesArguments arguments = machines_;
        const std::string& chosen_action = chosen()->get_subcommands().front()->get_name();
        for (const auto& [action_name, action] : kActions) {
            if (chosen_action == action_name) arguments.action = action;
        }
        line.verb = std::move(arguments);
    }
    return line;
}

Grammar::Grammar() : impl_{std::make_unique<Impl>()} {}

Grammar::~Grammar() = default;

CLI::App& Grammar::app() {
    return impl_->app();
}

const CLI::App* Grammar::chosen() const {
    return impl_->chosen();
}

CommandLine Grammar::result() const {
    return impl_->result();
}

}  // namespace pleat
