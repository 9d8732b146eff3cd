using System.Diagnostics;
using Hearth.Ember.Model;
using Hearth.Ember.Tokenizer;
using TorchSharp;
using static TorchSharp.torch;

namespace Hearth.Ember.Training;

/// <param name="Seconds">How long to train at all, runs before an interruption included; the rate falls with it.</param>
/// <param name="Peak">The highest rates as a share of those for training from nothing; about a half when going on from a trained file.</param>
/// <param name="Threads">Batches worked on at once; a second one only while other programs leave a core idle.</param>
public sealed record TrainingOptions(string CheckpointPath, double Seconds, double Peak, int Seed, int Threads);

/// <summary>The training loop. It resumes from its checkpoint and stops when its time is spent.</summary>
public sealed class Trainer(BpeTokenizer tokenizer, TrainingOptions options)
{
    private const double MatrixRate = 0.016, VectorRate = 0.004;
    private const int WarmupSteps = 80;
    private const double DecayStart = 0.3;   // share of the time after which the rates fall linearly to zero
    private const int BatchesPerStep = 2;

    private const double SaveEverySeconds = 60;

    public void Run()
    {
        // Threads work on whole batches: torch itself runs each on one thread, so nobody waits after every operation.
        set_num_threads(1);
        var model = new EmberModel(File.Exists(options.CheckpointPath) ? Checkpoint.ReadHead(options.CheckpointPath).Shape : EmberShape.Shipped(tokenizer.Count), options.Seed, trainable: true);
        var optimizer = new Muon(model);
        EmberModel[] workers = [model, .. Enumerable.Range(1, BatchesPerStep - 1).Select(_ => model.Replica())];
        var progress = File.Exists(options.CheckpointPath) ? Checkpoint.Load(options.CheckpointPath, model, optimizer) : new Progress(0, 0, 0, 0);
        Log($"{model.Shape.Parameters:n0} parameters, {model.Shape}; at {progress.Tokens:n0} tokens, {progress.Seconds:f0} of {options.Seconds:f0} s");

        var source = new Batches(tokenizer, options.Seed);
        var others = new OtherLoad();
        var clock = Stopwatch.StartNew();
        double saved = 0, lossSum = 0, before = progress.Seconds;
        int lossCount = 0, doubled = 0, steps = 0;
        var next = Task.Run(() => source.Pool(progress.NextPool));
        while (progress.Seconds < options.Seconds)
        {
            var pool = next.Result;
            long following = progress.NextPool + 1;
            next = Task.Run(() => source.Pool(following));
            long tokens = progress.Tokens;
            double poolStart = clock.Elapsed.TotalSeconds;
            double rate = 0;
            foreach (var group in pool.Chunk(BatchesPerStep))
            {
                var losses = new double[group.Length];
                int threads = options.Threads > 1 && others.LeaveACore() ? group.Length : 1;
                doubled += threads - 1;
                steps++;
                Parallel.For(0, group.Length, new ParallelOptions { MaxDegreeOfParallelism = threads }, i => losses[i] = Backward(workers[i], group[i], 1.0 / group.Length));
                SumGradients(workers, group.Length);
                lossSum += losses.Sum();
                lossCount += group.Length;
                tokens += group.Sum(b => b.RealTokens);
                rate = Rate(optimizer.StepCount, before + clock.Elapsed.TotalSeconds);
                optimizer.Step(MatrixRate * rate, VectorRate * rate);
            }
            double seconds = clock.Elapsed.TotalSeconds - poolStart;
            long poolTokens = tokens - progress.Tokens;
            progress = new(following, tokens, optimizer.StepCount, before + clock.Elapsed.TotalSeconds);
            Log($"pool {following} step {progress.Steps} tokens {tokens:n0} loss {lossSum / lossCount:f4} rate {rate:f3} {poolTokens / seconds:f0} tokens/s, {100 * doubled / steps} % on two threads, {Process.GetCurrentProcess().TotalProcessorTime.TotalSeconds:f0} s of CPU");
            (lossSum, lossCount, doubled, steps) = (0, 0, 0, 0);

            if (progress.Seconds < options.Seconds && clock.Elapsed.TotalSeconds - saved < SaveEverySeconds) continue;
            Checkpoint.Save(options.CheckpointPath, model, optimizer, progress);
            saved = clock.Elapsed.TotalSeconds;
        }
    }

    // Adds the gradients of the replicas that took part to those of the first model.
    private static void SumGradients(EmberModel[] workers, int count)
    {
        using var noGrad = no_grad();
        for (int i = 1; i < count; i++)
        {
            foreach (var (sum, part) in workers[0].Parameters().Zip(workers[i].Parameters()))
            {
                sum.Tensor.grad!.add_(part.Tensor.grad!);
                part.Tensor.grad!.zero_();
            }
        }
    }

    private double Rate(int step, double seconds)
    {
        double share = Math.Min(1.0, seconds / options.Seconds);
        double decay = share < DecayStart ? 1 : (1 - share) / (1 - DecayStart);
        return options.Peak * Math.Min(1.0, (step + 1.0) / WarmupSteps) * Math.Max(decay, 0.01);
    }

    /// <summary>Adds the batch's gradient and returns its loss.</summary>
    private static double Backward(EmberModel model, Batch batch, double scale)
    {
        using var scope = NewDisposeScope();
        var tokens = tensor(batch.Tokens).view(batch.Rows, batch.Length);
        // The hidden state at position t predicts token t + 1 of the same row; only weighted targets get logits.
        var positions = new List<long>();
        var targets = new List<long>();
        var weights = new List<float>();
        for (int i = 0; i < batch.Tokens.Length; i++)
        {
            if (batch.Weights[i] == 0 || i % batch.Length == 0) continue;
            positions.Add(i - 1);
            targets.Add(batch.Tokens[i]);
            weights.Add(batch.Weights[i]);
        }
        var weight = tensor(weights);
        var logits = model.Logits(model.Hidden(tokens, tensor(positions)));
        var each = nn.functional.cross_entropy(logits, tensor(targets), reduction: nn.Reduction.None);
        ((each * weight).sum() * (scale / weights.Sum())).backward();
        using var noGrad = no_grad();
        return ((each * weight).sum() / weight.sum()).item<float>();
    }

    private static void Log(string text)
    {
        Console.WriteLine($"{DateTime.UtcNow:HH:mm:ss} {text}");
        Console.Out.Flush();
    }
}
