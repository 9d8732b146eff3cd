using System.Text.Json.Nodes;

namespace Hearth.Runtime.Tests.Fuzzing;

/// <summary>Small damages of sound inputs.</summary>
internal static class Mutations
{
    private static readonly ulong[] s_extremes = [0, 1, 9, 0xFF, 1UL << 31, uint.MaxValue, 1UL << 40, 1UL << 60, long.MaxValue, 1UL << 63, ulong.MaxValue - 31, ulong.MaxValue];

    private static readonly string[] s_numbers = ["0", "1", "-1", "2", "3", "7", "64", "255", "65536", "2147483647", "-2147483648", "4294967295", "1e30", "-0.5", "0.0", "1e-30"];

    /// <summary>One to three damages of bytes within the first ones.</summary>
    /// <param name="sound">What is damaged; stays as it is.</param>
    /// <param name="random">Decides.</param>
    /// <param name="within">Bytes from the first on that are damaged.</param>
    public static byte[] Of(byte[] sound, Random random, int within = int.MaxValue)
    {
        var bytes = new List<byte>(sound);
        for (var changes = random.Next(1, 4); changes > 0 && bytes.Count > 0; changes--)
        {
            var at = random.Next(Math.Min(bytes.Count, within));
            switch (random.Next(8))
            {
                case 0: bytes[at] ^= (byte)(1 << random.Next(8)); break;
                case 1: bytes[at] = (byte)random.Next(256); break;
                case 2: bytes[at] = (byte)(bytes[at] + random.Next(-2, 3)); break;
                case 3: bytes.RemoveRange(at, Math.Min(random.Next(1, 40), bytes.Count - at)); break;
                case 4: bytes.InsertRange(at, Enumerable.Range(0, random.Next(1, 40)).Select(_ => (byte)random.Next(256))); break;
                case 5 when random.Next(4) == 0: bytes.RemoveRange(at, bytes.Count - at); break;
                case 6: Copy(bytes, random, at, within); break;
                default: Overwrite(bytes, random, at); break;
            }
        }

        return [.. bytes];
    }

    /// <summary>Damages of a text by pieces of others.</summary>
    public static string Of(string sound, IReadOnlyList<string> pieces, Random random)
    {
        for (var changes = random.Next(1, 5); changes > 0; changes--)
        {
            var at = random.Next(sound.Length + 1);
            var length = Math.Min(random.Next(24), sound.Length - at);
            sound = random.Next(4) switch
            {
                0 => sound.Remove(at, length),
                1 => sound.Insert(at, pieces[random.Next(pieces.Count)]),
                2 => sound.Remove(at, length).Insert(at, pieces[random.Next(pieces.Count)]),
                _ => sound.Insert(random.Next(sound.Length + 1), sound.Substring(at, length)),
            };
        }

        return sound;
    }

    /// <summary>Damages of a JSON value, somewhere inside it: another number, another kind, a member less or twice.</summary>
    public static void Damage(JsonNode root, Random random)
    {
        for (var changes = random.Next(1, 3); changes > 0; changes--)
        {
            var holder = root;
            while (true)
            {
                var children = (holder switch { JsonObject map => map.Select(member => member.Value), JsonArray list => list, _ => [] }).Where(child => child is JsonObject { Count: > 0 } or JsonArray { Count: > 0 }).ToList();
                if (children.Count == 0 || random.Next(3) == 0)
                    break;
                holder = children[random.Next(children.Count)]!;
            }

            if (holder is JsonObject { Count: > 0 } members)
            {
                var name = members.ElementAt(random.Next(members.Count)).Key;
                if (random.Next(5) == 0)
                    members.Remove(name);
                else
                    members[name] = Value(random, members[name]);
            }
            else if (holder is JsonArray { Count: > 0 } items)
            {
                var at = random.Next(items.Count);
                if (random.Next(5) == 0)
                    items.RemoveAt(at);
                else if (random.Next(4) == 0)
                    items.Add(items[at]?.DeepClone());
                else
                    items[at] = Value(random, items[at]);
            }
        }
    }

    private static JsonNode? Value(Random random, JsonNode? old) => random.Next(8) switch
    {
        0 => null,
        1 => random.Next(2) == 0,
        2 => "",
        3 => old is JsonValue value && value.TryGetValue<string>(out var text) ? text + text : "x",
        4 => new JsonArray(old?.DeepClone()),
        5 => new JsonObject { ["x"] = old?.DeepClone() },
        _ => JsonNode.Parse(s_numbers[random.Next(s_numbers.Length)]),
    };

    private static void Copy(List<byte> bytes, Random random, int at, int within)
    {
        var from = random.Next(Math.Min(bytes.Count, within));
        for (var i = random.Next(1, 16); i > 0 && at + i < bytes.Count && from + i < bytes.Count; i--)
            bytes[at + i] = bytes[from + i];
    }

    // Four or eight bytes become a number at which careless arithmetic wraps around.
    private static void Overwrite(List<byte> bytes, Random random, int at)
    {
        var value = BitConverter.GetBytes(s_extremes[random.Next(s_extremes.Length)]).AsSpan(0, random.Next(2) == 0 ? 4 : 8);
        for (var i = 0; i < value.Length && at + i < bytes.Count; i++)
            bytes[at + i] = value[i];
    }
}
