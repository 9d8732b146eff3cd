using System.Text;

namespace Hearth.Ember.Data;

/// <summary>Which half of the world a generator may name: every value belongs to exactly one side.</summary>
public enum Side { Training, HeldOut }

/// <summary>Seeded randomness that keeps the values of training and of the held-out set apart.</summary>
/// <remarks>A value's side is a hash of its text, so the two sets are disjoint by construction. Not thread-safe.</remarks>
public sealed class Draw(int seed, Side side)
{
    private readonly Random _random = new(seed);

    public Side Side => side;

    public int Int(int low, int high) => _random.Next(low, high + 1);
    public bool Chance(double probability) => _random.NextDouble() < probability;
    public T One<T>(IReadOnlyList<T> items) => items[_random.Next(items.Count)];
    public T Either<T>(params T[] items) => items[_random.Next(items.Length)];

    public void Shuffle<T>(IList<T> items)
    {
        for (int i = items.Count - 1; i > 0; i--)
        {
            int j = _random.Next(i + 1);
            (items[i], items[j]) = (items[j], items[i]);
        }
    }

    /// <summary>Draws until the value belongs to this side; gives up after 300 tries for ranges too small to split.</summary>
    public string Owned(Func<string> draw)
    {
        string value = draw();
        for (int i = 0; i < 300 && !Owns(value); i++) value = draw();
        return value;
    }

    public bool Owns(string value) => IsHeldOut(value) == (side == Side.HeldOut);

    /// <summary>One value in eight is held out (FNV-1a over the lower-case UTF-8 text).</summary>
    public static bool IsHeldOut(string value)
    {
        uint hash = 2166136261;
        foreach (byte b in Encoding.UTF8.GetBytes(value.ToLowerInvariant())) hash = (hash ^ b) * 16777619;
        return (hash >> 7) % 8 == 0;
    }

    /// <summary>A whole number of this side, where the range leaves a choice.</summary>
    public int Number(int low, int high) => int.Parse(Owned(() => Int(low, high).ToString()));
}
