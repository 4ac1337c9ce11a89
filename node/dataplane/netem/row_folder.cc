#include "node/dataplane/netem/row_folder.hh"

#include <utility>

#include <poll.h>
#include <pthread.h>

namespace pleat {

Rows rows_of(const PathFolder& folder, const PathTable& table, HostId source) {
    Rows rows(folder.topology().hosts().size());
    for (std::uint32_t host = 0; host < rows.size(); ++host) {
        if (host == source.value) continue;
        rows[host] = flow_shape(folder, table, {source, HostId{host}});
    }
    return rows;
}

RowFolder::RowFolder(const PathFolder& folder) : folder_{folder}, thread_{[this] { run(); }} {
    ::pthread_setname_np(thread_.native_handle(), "pleat-fold");
}

RowFolder::~RowFolder() {
    jobs_.post({});
    thread_.join();
}

void RowFolder::fold(std::shared_ptr<const PathTable> table, std::vector<HostId> sources) {
    jobs_.post({std::move(table), std::move(sources)});
}

void RowFolder::run() {
    while (true) {
        pollfd readable{.fd = jobs_.fd(), .events = POLLIN, .revents = 0};
        ::poll(&readable, 1, -1);
        for (Job& job : jobs_.take()) {
            if (job.table == nullptr) return;
            FoldedTable folded{.table = std::move(job.table), .rows = {}};
            for (const HostId source : job.sources) {
                folded.rows[source] = rows_of(folder_, *folded.table, source);
            }
            folded_.post(std::move(folded));
        }
    }
}

}  // namespace pleat
