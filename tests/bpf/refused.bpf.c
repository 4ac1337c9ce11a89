/* A program that no verifier takes: it reads behind the packet's end. */
#include <linux/bpf.h>

#define SECTION(name) __attribute__((section(name), used))

SECTION("tc")

int reads_beyond(struct __sk_buff* skb) {
    return *(volatile __u8*)((void*)(long)skb->data_end + 1);
}

char program_license[] SECTION("license") = "GPL";
