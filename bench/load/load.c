/* Load generator: downloads a torrent from one seeder over many connections and throws the bytes away.
 *
 *   load [--rc4] HOST PORT INFOHASH PIECE_LENGTH TOTAL_LENGTH CONNECTIONS IN_FLIGHT SECONDS [random|pieces|sequential [SAMPLE [OFFSET]]]
 *
 * One thread, epoll. Each connection keeps IN_FLIGHT requests of 16 KiB open (BEP 3, with BEP 6). Nothing is hashed: of
 * the blocks that come in, one in 256 and each connection's first are compared with the file SAMPLE, which holds the
 * torrent's concatenated content from byte OFFSET on; all others are dropped in the kernel (MSG_TRUNC), uncopied.
 * "random" asks for any blocks, "pieces" for any pieces, the blocks of each in order, as most clients do.
 * With --rc4 the connections are encrypted (MSE); the key stream is then gone through for every byte.
 * The clock runs from the moment every connection is unchoked. Prints one line of JSON; exit code 0 when bytes came and
 * none differed, 1 otherwise, 2 for wrong arguments.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "connection.h"

enum { START_SECONDS = 30 }; /* until all are unchoked */

static double now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool open_connection(Connection *c, int index, const struct sockaddr_in *address, int poll) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof *address) != 0) return false;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (plan.rc4 && !encrypt_connection(fd, plan.info_hash, &c->sending, &c->receiving)) return false;
  fcntl(fd, F_SETFL, O_NONBLOCK);
  begin_connection(c, fd, index);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  return epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void map_sample(const char *path) {
  struct stat about;
  int fd = open(path, O_RDONLY);
  if (fd < 0 || fstat(fd, &about) != 0 || about.st_size == 0) {
    fprintf(stderr, "load: cannot read the sample %s\n", path);
    exit(2);
  }
  void *memory = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (memory == MAP_FAILED) exit(2);
  plan.sample = memory;
  plan.sample_length = (uint64_t)about.st_size;
}

static bool all_unchoked(const Connection *all, int count) {
  for (int i = 0; i < count; i++)
    if (!all[i].dead && all[i].choked) return false;
  return true;
}

static void turn(int poll, Connection *all, int count) {
  struct epoll_event events[256];
  int ready = epoll_wait(poll, events, 256, 10);
  for (int i = 0; i < ready; i++) readable(events[i].data.ptr);
  for (int i = 0; i < count; i++) /* requests that did not fit the send buffer */
    if (!all[i].dead && all[i].out_have > 0) flush(&all[i]);
}

static void parse(int count, char **args, struct sockaddr_in *address) {
  address->sin_family = AF_INET;
  address->sin_port = htons((uint16_t)atoi(args[2]));
  bool good = inet_pton(AF_INET, args[1], &address->sin_addr) == 1 && strlen(args[3]) == 40;
  for (int i = 0; good && i < 20; i++) {
    unsigned byte = 0;
    good = sscanf(args[3] + 2 * i, "%2x", &byte) == 1;
    plan.info_hash[i] = (uint8_t)byte;
  }
  plan.piece_length = strtoull(args[4], NULL, 10);
  plan.total_length = strtoull(args[5], NULL, 10);
  plan.in_flight = (uint32_t)strtoul(args[7], NULL, 10);
  good = good && plan.piece_length > 0 && plan.total_length > 0 && plan.in_flight > 0 && atoi(args[6]) > 0 && atof(args[8]) > 0;
  if (!good) {
    fprintf(stderr, "load: an argument is not what it should be\n");
    exit(2);
  }
  plan.piece_count = (plan.total_length + plan.piece_length - 1) / plan.piece_length;
  if (count > 9 && strcmp(args[9], "pieces") == 0) plan.order = PIECES;
  if (count > 9 && strcmp(args[9], "sequential") == 0) plan.order = IN_ORDER;
  if (count > 10) map_sample(args[10]);
  if (count > 11) plan.sample_offset = strtoull(args[11], NULL, 10);
}

int main(int count, char **args) {
  if (count > 1 && strcmp(args[1], "--rc4") == 0) {
    plan.rc4 = true;
    args++;
    count--;
  }
  if (count < 9) {
    fprintf(stderr, "usage: load [--rc4] HOST PORT INFOHASH PIECE_LENGTH TOTAL_LENGTH CONNECTIONS IN_FLIGHT SECONDS "
                    "[random|pieces|sequential [SAMPLE [OFFSET]]]\n");
    return 2;
  }
  struct sockaddr_in address = {0};
  parse(count, args, &address);
  int connections = atoi(args[6]);
  Connection *all = calloc((size_t)connections, sizeof *all);
  int poll = epoll_create1(0);
  for (int i = 0; i < connections; i++) {
    if (!open_connection(&all[i], i, &address, poll)) {
      fprintf(stderr, "load: cannot connect to %s:%s: %s\n", args[1], args[2], errno == 0 ? "it does not agree to RC4" : strerror(errno));
      return 1;
    }
  }
  double begin = now(CLOCK_MONOTONIC);
  while (!all_unchoked(all, connections) && now(CLOCK_MONOTONIC) < begin + START_SECONDS) turn(poll, all, connections);
  int unchoked = 0;
  for (int i = 0; i < connections; i++) unchoked += !all[i].dead && !all[i].choked;

  tally.counting = true;
  begin = now(CLOCK_MONOTONIC);
  double cpu = now(CLOCK_PROCESS_CPUTIME_ID), end = begin + atof(args[8]), time;
  while ((time = now(CLOCK_MONOTONIC)) < end && tally.closed < (uint64_t)connections) turn(poll, all, connections);
  cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  double seconds = time - begin;
  printf("{\"bytes\":%llu,\"allBytes\":%llu,\"seconds\":%.3f,\"mbPerSecond\":%.1f,\"cpuSeconds\":%.3f,\"mismatches\":%llu,\"rejects\":%llu,"
         "\"compared\":%llu,\"unchoked\":%d,\"closed\":%llu}\n",
         (unsigned long long)tally.bytes, (unsigned long long)tally.all_bytes, seconds, (double)tally.bytes / 1e6 / seconds, cpu, (unsigned long long)tally.mismatches,
         (unsigned long long)tally.rejects, (unsigned long long)tally.compared, unchoked, (unsigned long long)tally.closed);
  return tally.bytes > 0 && tally.mismatches == 0 ? 0 : 1;
}
