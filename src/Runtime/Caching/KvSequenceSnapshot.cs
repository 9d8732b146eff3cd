using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Hearth.Runtime.Caching;

/// <summary>Writes and reads saved sequences; the format is told at <see cref="KvSequence.Save"/>.</summary>
internal static class KvSequenceSnapshot
{
    private const uint Version = 2;
    private const uint VersionWithStates = 3;
    private const int ChunkTokens = 4096;

    private static ReadOnlySpan<byte> Magic => "HEARTHKV"u8;

    public static void Write(KvSequence sequence, Stream stream)
    {
        // The fork keeps the pages as they are while they are written out.
        using var fork = sequence.Fork();
        var store = sequence.Cache.Store;
        using var writer = new HashedStream(stream);
        var fingerprint = Encoding.UTF8.GetBytes(sequence.Cache.ModelFingerprint);
        writer.Write(Magic);
        writer.WriteInt32((int)VersionOf(sequence.Cache));
        writer.WriteInt32(fingerprint.Length);
        writer.Write(fingerprint);
        writer.WriteInt32(store.PageTokens);
        writer.WriteInt64(store.PageBytes);
        writer.WriteInt32(fork.Forgotten);
        writer.WriteInt32(fork.Length);
        foreach (var token in fork.Tokens)
        {
            writer.WriteInt32(token);
        }

        var buffer = RentPage(store);
        try
        {
            foreach (var page in fork.Pages)
            {
                var contents = buffer.AsSpan(0, (int)store.PageBytes);
                store.ReadPage(page, contents);
                writer.Write(contents);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        if (sequence.Cache.KeepsStates)
        {
            writer.WriteInt64(store.StateBytes);
            if (fork.Length > 0)
            {
                var state = StateBuffer(store);
                store.ReadState(fork.State.Current, state);
                writer.Write(state);
            }
        }

        writer.WriteHash();
    }

    public static KvSequence Read(KvCache cache, Stream stream)
    {
        using var reader = new HashedStream(stream);
        KvSequence? sequence = null;
        try
        {
            var (forgotten, count) = ReadHeader(cache, reader);
            sequence = cache.CreateSequence();
            sequence.Forgotten = forgotten;
            if (count > 0)
            {
                Fill(cache, sequence, count, reader);
            }

            if (cache.KeepsStates)
            {
                FillState(cache, sequence, count, reader);
            }

            if (!reader.HashMatches())
            {
                throw new CacheSnapshotException("the checksum of the saved sequence does not match: it is damaged");
            }

            return sequence;
        }
        catch (Exception error)
        {
            sequence?.Dispose();
            if (error is EndOfStreamException)
            {
                throw new CacheSnapshotException("the saved sequence ends too early", error);
            }

            throw;
        }
    }

    private static (int Forgotten, int Count) ReadHeader(KvCache cache, HashedStream reader)
    {
        Span<byte> magic = stackalloc byte[Magic.Length];
        reader.Read(magic);
        Expect(magic.SequenceEqual(Magic), "a saved sequence", "something else");
        var version = (uint)reader.ReadInt32();
        Expect(version == VersionOf(cache), $"version {VersionOf(cache)}", $"version {version}");

        var expected = Encoding.UTF8.GetBytes(cache.ModelFingerprint);
        var length = reader.ReadInt32();
        Expect(length == expected.Length, $"the model '{cache.ModelFingerprint}'", "another model");
        var fingerprint = new byte[expected.Length];
        reader.Read(fingerprint);
        Expect(fingerprint.AsSpan().SequenceEqual(expected), $"the model '{cache.ModelFingerprint}'", "another model");

        var pageTokens = reader.ReadInt32();
        Expect(pageTokens == cache.PageTokens, $"pages of {cache.PageTokens} positions", $"{pageTokens}");
        var pageBytes = reader.ReadInt64();
        Expect(pageBytes == cache.Store.PageBytes, $"pages of {cache.Store.PageBytes} bytes", $"{pageBytes}");
        var forgotten = reader.ReadInt32();
        var unit = cache.ForgottenUnit;
        Expect(unit > 0 || forgotten == 0, "a sequence that holds its beginning, as this model needs it", $"one that forgot its first {forgotten} positions");
        Expect(unit == 0 || (forgotten >= 0 && forgotten % unit == 0), $"a multiple of {unit} forgotten positions", $"{forgotten}");
        var count = reader.ReadInt32();
        Expect(count >= 0 && count <= cache.Capacity && count <= int.MaxValue - forgotten, $"at most {Math.Min(cache.Capacity, int.MaxValue - forgotten)} tokens", $"{count}");
        return (forgotten, count);
    }

    private static void Fill(KvCache cache, KvSequence sequence, int count, HashedStream reader)
    {
        // Tokens come first, so the pages are reserved only once the stream has shown that it holds that many.
        var tokens = new List<int>();
        for (var i = 0; i < count; i++)
        {
            var token = reader.ReadInt32();
            Expect(token >= 0 && token < cache.VocabularySize, $"token ids from 0 to {cache.VocabularySize - 1}", $"{token}");
            tokens.Add(token);
        }

        if (!cache.TryReserve(sequence, count, keepsCheckpoints: false))
        {
            throw new OutOfModelMemoryException($"the saved sequence takes {cache.PagesFor(count)} pages, but only {cache.AvailablePages} of {cache.PageCount} are available");
        }

        var buffer = RentPage(cache.Store);
        try
        {
            var contents = buffer.AsSpan(0, (int)cache.Store.PageBytes);
            foreach (var page in sequence.Pages)
            {
                reader.Read(contents);
                cache.Store.WritePage(page, contents);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        sequence.Commit(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(tokens));
    }

    private static void FillState(KvCache cache, KvSequence sequence, int count, HashedStream reader)
    {
        var bytes = reader.ReadInt64();
        Expect(bytes == cache.Store.StateBytes, $"states of {cache.Store.StateBytes} bytes", $"{bytes}");
        if (count == 0)
        {
            return;
        }

        var state = StateBuffer(cache.Store);
        reader.Read(state);
        cache.Store.WriteState(sequence.State.Current, state);
    }

    private static uint VersionOf(KvCache cache) => cache.KeepsStates ? VersionWithStates : Version;

    private static byte[] StateBuffer(IPageStore store)
        => store.StateBytes <= Array.MaxLength ? new byte[store.StateBytes] : throw new NotSupportedException($"states of {store.StateBytes} bytes are too large to be saved");

    private static byte[] RentPage(IPageStore store)
        => store.PageBytes <= Array.MaxLength
            ? ArrayPool<byte>.Shared.Rent((int)store.PageBytes)
            : throw new NotSupportedException($"pages of {store.PageBytes} bytes are too large to be saved");

    private static void Expect(bool holds, string expected, string found)
    {
        if (!holds)
        {
            throw new CacheSnapshotException($"saved sequence: expected {expected}, found {found}");
        }
    }

    /// <summary>Little-endian numbers over a stream, hashed as they pass.</summary>
    private sealed class HashedStream(Stream stream) : IDisposable
    {
        private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        private readonly byte[] _buffer = new byte[ChunkTokens * sizeof(int)];
        private int _buffered;

        public void Write(ReadOnlySpan<byte> data)
        {
            Flush();
            _hash.AppendData(data);
            stream.Write(data);
        }

        public void WriteInt32(int value)
        {
            if (_buffered + sizeof(int) > _buffer.Length)
            {
                Flush();
            }

            BinaryPrimitives.WriteInt32LittleEndian(_buffer.AsSpan(_buffered), value);
            _buffered += sizeof(int);
        }

        public void WriteInt64(long value)
        {
            WriteInt32((int)value);
            WriteInt32((int)(value >> 32));
        }

        public void WriteHash()
        {
            Flush();
            stream.Write(_hash.GetHashAndReset());
        }

        public void Read(Span<byte> data)
        {
            stream.ReadExactly(data);
            _hash.AppendData(data);
        }

        public int ReadInt32()
        {
            Span<byte> bytes = stackalloc byte[sizeof(int)];
            Read(bytes);
            return BinaryPrimitives.ReadInt32LittleEndian(bytes);
        }

        public long ReadInt64() => (uint)ReadInt32() | ((long)ReadInt32() << 32);

        public bool HashMatches()
        {
            Span<byte> stored = stackalloc byte[SHA256.HashSizeInBytes];
            stream.ReadExactly(stored);
            return CryptographicOperations.FixedTimeEquals(stored, _hash.GetHashAndReset());
        }

        public void Dispose() => _hash.Dispose();

        private void Flush()
        {
            if (_buffered > 0)
            {
                var pending = _buffer.AsSpan(0, _buffered);
                _hash.AppendData(pending);
                stream.Write(pending);
                _buffered = 0;
            }
        }
    }
}
