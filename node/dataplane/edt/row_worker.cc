#include "node/dataplane/edt/row_worker.hh"

#include <cstring>
#include <utility>

#include <linux/membarrier.h>
#include <poll.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.hh"
#include "base/overload.hh"

namespace pleat {

namespace {

// The kernel's own synchronize_rcu(): programs run in what it waits for. 5 to 15 ms.
bool wait_for_readers() {
    return ::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0;
}

}  // namespace

bool RowWorker::can_wait_for_readers() {
    return wait_for_readers();  // not with nohz_full
}

RowWorker::RowWorker(const PathFolder& folder) : folder_{&folder}, thread_{[this] { run(); }} {
    ::pthread_setname_np(thread_.native_handle(), "pleat-rows");
}

RowWorker::~RowWorker() {
    jobs_.post(Stop{});
    thread_.join();
}

void RowWorker::run() {
    while (!stopped_) {
        receive(folds_.empty());
        if (!folds_.empty() && !stopped_) fold_one_source();
    }
}

void RowWorker::receive(bool wait) {
    pollfd readable{.fd = jobs_.fd(), .events = POLLIN, .revents = 0};
    if (::poll(&readable, 1, wait ? -1 : 0) <= 0) return;
    for (Job& job : jobs_.take()) {
        std::visit(Overload{
                       [this](Fold& one) { folds_.push_back(std::move(one)); },
                       [this](const Fill& one) { copy(one); },
                       [this](const Stop&) { stopped_ = true; },
                   },
                   job);
    }
}

void RowWorker::fold_one_source() {
    const Fold& job = folds_.front();
    const std::size_t destinations = folder_->topology().hosts().size();
    const std::size_t had = job.before ? job.before->sources() : 0;
    if (!rows_) {
        rows_ = job.before ? std::make_shared<TableRows>(*job.before)
                           : std::make_shared<TableRows>(
                                 TableRows{.destinations = destinations,
                                           .paths = {},
                                           .uplinks = fold_uplinks(folder_->topology(), *job.table),
                                           .needs = {}});
        rows_->paths.reserve((had + job.hosts.size()) * destinations);
    }
    const std::size_t done = rows_->sources() - had;
    if (done < job.hosts.size()) {
        rows_->paths.resize(rows_->paths.size() + destinations);
        const std::span<edt_path> rows = std::span{rows_->paths}.last(destinations);
        fold_source(*folder_, *job.table, job.hosts[done], rows);
        rows_->needs.push_back(needs_of(rows));
    }
    if (rows_->sources() - had < job.hosts.size()) return;
    results_.post(Folded{job.ticket, std::exchange(rows_, nullptr)});
    folds_.pop_front();
}

void RowWorker::copy(const Fill& job) {
    if (job.wait_for_readers) PLEAT_ASSERT(wait_for_readers());
    // Both are plain memory; the loop stores begins_at after it has heard of this.
    std::memcpy(job.paths.data(), job.rows->paths.data(),
                job.rows->paths.size() * sizeof(edt_path));
    std::memcpy(job.uplinks.data(), job.rows->uplinks.data(),
                job.rows->uplinks.size() * sizeof(edt_uplink));
    results_.post(Filled{job.slot});
}

}  // namespace pleat
